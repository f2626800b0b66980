//! The real binary, as its users meet it.
//!
//! Each test has a folder and a daemon of its own on a free port, waits for facts and never
//! for time, and leaves nothing running.
// A test fails by a panic, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;
mod capture;
mod completions;
mod facts;
mod inject;
mod lease;
mod post_office;

mod answers;
mod apart;
mod clock;
mod container;
mod detach;
mod disk;
mod environment;
mod event_log;
mod faults;
mod group;
mod hostile;
mod hung;
mod identity;
mod injected;
mod lacks;
mod launch;
mod life;
mod logger;
mod mail;
mod oom;
mod order;
mod output;
mod probes;
mod prompt;
mod real;
mod reload;
mod scale;
mod secrets;
mod shell;
mod signals;
mod soak;
mod stop;
mod storm;
mod story;
mod survive;
mod told;
mod tour;
mod trust;
mod watch;
mod way_out;
mod wire;
