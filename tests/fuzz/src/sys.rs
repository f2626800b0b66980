//! Of the system's room: the sums of lines, and the numbers of limits.

#[path = "../../../src/sys/limits.rs"]
pub mod limits;
#[path = "../../../src/sys/record.rs"]
pub mod record;
