//! Of the system's room: the sums of lines, and the numbers of limits.

#[path = "../../../src/sys/decimal.rs"]
mod decimal;
#[path = "../../../src/sys/identity.rs"]
mod identity;
#[path = "../../../src/sys/limits.rs"]
pub mod limits;
#[path = "../../../src/sys/record.rs"]
pub mod record;
