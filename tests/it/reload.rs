//! Reload: what changes is applied as one step, and nothing else is touched.

mod broken;
mod daemon_keys;
mod keys;
mod meanwhile;
mod policies;
mod programs;
mod same;
mod states;
