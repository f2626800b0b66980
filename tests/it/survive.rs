//! A daemon that is killed: what it leaves, and what the next one makes of it.

mod adopt;
mod chaos;
mod damage;
mod disable;
mod order;
mod output;
mod probes;
mod silence;
mod succession;
pub mod upgrade;
