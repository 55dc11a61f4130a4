//! Gemini's dialect.
