//! The logger on its own: the real process, with a test in the daemon's place.

mod awaiting;
mod exact;
mod files;
mod many;
mod rig;
mod trouble;
