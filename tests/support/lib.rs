//! Starts and stops the programs that the tests drive.
