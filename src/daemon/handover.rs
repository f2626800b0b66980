//! What one daemon hands over to the next in the same process, as plain data: all that it knows
//! and that no file tells.
//!
//! The version of the form stands in front. It is form 2 that is written and read; a newer one is
//! refused: [`Handover::read`]. New keys get a default, so that what an older daemon wrote lacks
//! nothing, and keys that are known no more are passed over. Descriptors stand here by their
//! numbers, points in time as in [`crate::supervisor::Snapshot`].

use std::os::fd::RawFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::given::Given;
use super::journal::Up;
use super::kept::KeptClient;
use super::probes::kept::KeptProbes;
use super::texts::Texts;
use crate::config::{self, Config, LogTarget, Surroundings};
use crate::mail::Untold;
use crate::supervisor::{Past, Pid, Snapshot};
use crate::sys::record;

/// The form that this daemon writes.
pub(super) const VERSION: u32 = 2;

/// A daemon.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Handover {
    /// The version of the program, for people.
    pub(super) from: String,
    /// That of the protocol, which those who are connected speak.
    pub(super) protocol: u32,
    pub(super) settings: Settings,
    pub(super) secret: Vec<u8>,
    /// None: the control port is closed.
    pub(super) listener: Option<RawFd>,
    /// None: nothing can be kept.
    pub(super) lock: Option<RawFd>,
    pub(super) processes: Vec<KeptProcess>,
    pub(super) disabled: Vec<(String, u32)>,
    /// Those of an earlier daemon, each with a moment at which it had its pid.
    pub(super) adopted: Vec<(RawFd, Pid, u64)>,
    /// Where children that were launched apart tell what became of them.
    pub(super) reports: Vec<(Pid, RawFd)>,
    pub(super) probes: KeptProbes,
    pub(super) strays: Vec<Pid>,
    pub(super) streams: Vec<KeptStream>,
    pub(super) last_stream: u64,
    /// Of streams that are captured no more.
    #[serde(default)]
    pub(super) lost_before: Vec<KeptLoss>,
    pub(super) logger: Option<KeptLogger>,
    pub(super) clients: Vec<KeptClient>,
    /// What no message has told yet.
    #[serde(default)]
    pub(super) mail: Untold,
}

/// What it was started with, and runs on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// The configuration as it was read last and applied, whatever its files say by now.
    pub(super) texts: Texts,
    pub(super) file: PathBuf,
    /// Whether it began as root: picks the default of `state_dir`.
    pub(super) root: bool,
    /// The current directory when it began.
    pub(super) cwd: PathBuf,
    /// The settings of `daemon:` that count from the next start on, as they count now.
    pub(super) listen: std::net::SocketAddr,
    pub(super) state_dir: PathBuf,
    pub(super) secret_file: PathBuf,
    pub(super) user: Option<String>,
    /// Of whoever started it.
    pub(super) umask: u32,
    pub(super) limits: Given,
}

/// A process.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptProcess {
    pub(super) is: Snapshot,
    pub(super) up: Option<Up>,
    #[serde(default)]
    pub(super) past: Past,
}

/// A captured stream.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptStream {
    pub(super) id: u64,
    /// The program, the process's number, and which of its two streams.
    pub(super) of: (String, u32, String),
    pub(super) pipe: RawFd,
    pub(super) path: PathBuf,
    pub(super) max_bytes: u64,
    pub(super) keep: u32,
    pub(super) timestamps: bool,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) lost: u64,
    pub(super) is_losing: bool,
    /// Captured no more.
    pub(super) is_leaving: bool,
    /// What its process was called, if that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) was_of: Option<String>,
}

/// What a stream lost before it was captured no more.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptLoss {
    /// As in [`KeptStream`].
    pub(super) of: (String, u32, String),
    pub(super) bytes: u64,
}

/// The logger.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptLogger {
    pub(super) known: Option<(Pid, u64)>,
    pub(super) is_child: bool,
    pub(super) channel: RawFd,
}

impl Handover {
    /// As a text, sealed.
    pub(super) fn to_text(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        record::sealed(&format!("{VERSION} {json}"))
    }

    /// From a text.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let damaged = || "the state that is handed over is damaged".to_owned();
        let text = std::str::from_utf8(text).map_err(|_| damaged())?;
        let line = text.strip_prefix('\n').and_then(|text| text.strip_suffix('\n'));
        let whole = line.and_then(record::unsealed).ok_or_else(damaged)?;
        let (version, json) = whole.split_once(' ').ok_or_else(damaged)?;
        let version: u32 = version.parse().map_err(|_| damaged())?;
        if version > VERSION {
            return Err(format!(
                "the state that is handed over has version {version}, and version {VERSION} is the \
                 newest that {} reads",
                env!("CARGO_PKG_VERSION")
            ));
        }
        serde_json::from_str(json)
            .map_err(|error| format!("the state that is handed over makes no sense: {error}"))
    }
}

impl Handover {
    /// The configuration that the daemon runs on.
    ///
    /// # Errors
    /// What this version finds wrong with it.
    pub(super) fn config(&self) -> Result<Config, String> {
        let settings = &self.settings;
        let surroundings = self.surroundings(std::env::vars_os());
        let mut config = config::load(&settings.file, &surroundings, &settings.texts)
            .map_err(|problems| problems.to_string())?;
        let daemon = &mut config.daemon;
        // What counts from the next start on, counts from the next real one on.
        if daemon.log.target == LogTarget::in_state_dir(&daemon.state_dir) {
            daemon.log.target = LogTarget::in_state_dir(&settings.state_dir);
        }
        daemon.listen = settings.listen;
        daemon.state_dir.clone_from(&settings.state_dir);
        daemon.secret_file.clone_from(&settings.secret_file);
        daemon.user.clone_from(&settings.user);
        Ok(config)
    }

    pub(super) fn surroundings(
        &self,
        env: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Surroundings {
        let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        let (root, cwd) = (self.settings.root, self.settings.cwd.clone());
        Surroundings { root, env: env.filter_map(text).collect(), cwd }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Handover {
        let settings = Settings {
            texts: Texts::default(),
            file: "/etc/taskmaster.yaml".into(),
            root: true,
            cwd: "/".into(),
            listen: "127.0.0.1:4242".parse().unwrap(),
            state_dir: "/var/lib/taskmaster".into(),
            secret_file: "/var/lib/taskmaster/secret".into(),
            user: None,
            umask: 0o22,
            limits: Given::now(),
        };
        Handover {
            from: "0.0.9".into(),
            protocol: 1,
            settings,
            secret: b"secret".to_vec(),
            listener: Some(5),
            lock: Some(4),
            processes: Vec::new(),
            disabled: vec![("web".into(), 3)],
            adopted: vec![(9, 71, 4711)],
            reports: Vec::new(),
            probes: KeptProbes::default(),
            strays: vec![99],
            streams: Vec::new(),
            last_stream: 12,
            lost_before: vec![KeptLoss { of: ("web".into(), 3, "stdout".into()), bytes: 13 }],
            logger: Some(KeptLogger { known: Some((72, 4712)), is_child: true, channel: 11 }),
            clients: Vec::new(),
            mail: Untold::default(),
        }
    }

    #[test]
    fn it_is_read_as_it_was_written_and_in_no_other_way() {
        let text = example().to_text();
        assert_eq!(Handover::read(text.as_bytes()), Ok(example()));
        for end in 0..text.len() {
            assert!(Handover::read(&text.as_bytes()[..end]).is_err(), "{end}");
        }
        let mut bytes = text.into_bytes();
        for at in 0..bytes.len() {
            let right = bytes[at];
            for wrong in (0..=255).filter(|wrong| *wrong != right) {
                bytes[at] = wrong;
                assert!(Handover::read(&bytes).is_err(), "{at} {wrong}");
            }
            bytes[at] = right;
        }
    }

    /// As once `lines`, of pipes that stand among the probes now.
    #[test]
    fn a_key_that_is_known_no_more_is_passed_over() {
        let mut json = serde_json::to_value(example()).unwrap();
        json["lines"] = serde_json::json!([]);
        let text = record::sealed(&format!("2 {json}"));
        assert_eq!(Handover::read(text.as_bytes()), Ok(example()));
    }

    #[test]
    fn a_newer_form_is_refused_by_its_number() {
        let newer = record::sealed(&format!("{} {{\"anything\":1}}", VERSION + 1));
        let why = Handover::read(newer.as_bytes()).unwrap_err();
        assert!(why.contains("version 3, and version 2 is the newest"), "{why}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..Default::default()
        })]

        /// What was handed over is read as it was written, or refused: never half of it.
        #[test]
        fn what_was_damaged_on_the_way_is_refused(
            at in 0..10_000usize,
            cut in 0..50usize,
            noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20),
        ) {
            let text = example().to_text();
            let mut bytes = text.clone().into_bytes();
            let at = at % bytes.len();
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, noise);
            if let Ok(read) = Handover::read(&bytes) {
                proptest::prop_assert_eq!(read.to_text(), text);
            }
        }
    }
}
