//! Of the probes: what is watched, as it is handed over.

#[path = "../../../src/daemon/probes/kept.rs"]
pub mod kept;
#[path = "../../../src/daemon/probes/schedule.rs"]
mod schedule;
#[path = "../../../src/daemon/probes/stage.rs"]
mod stage;
