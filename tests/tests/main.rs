//! All end-to-end tests, one topic a file.

mod harness;
