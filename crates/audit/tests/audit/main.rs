//! What is recorded, and what happens when it cannot be.

mod contract;
mod files;
mod full;
mod records;
mod support;
