//! Anthropic's dialect.
