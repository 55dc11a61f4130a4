//! What every authority promises, as tests.
