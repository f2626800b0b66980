//! The daemon's start: everything up to the first turn. What fails here ends it, with the reason.

use std::net::{SocketAddr, TcpListener};

use super::accept::Places;
use super::adopted::Adopted;
use super::capture::Captures;
use super::journal::Journal;
use super::log::EventLog;
use super::recipe::Kitchen;
use super::state_dir::{self, StateDir};
use super::strays::Strays;
use super::{Daemon, Options, Refusal, cannot, check, source};
use crate::config::{Config, Level, Surroundings, diff};
use crate::protocol::EventName;
use crate::protocol::hello::Secret;
use crate::supervisor::{Moment, Supervisor};
use crate::sys::signals::Signals;
use crate::sys::spawn::Launcher;
use crate::sys::timer::Timer;
use crate::sys::{cause, clock, handover, limits, poll, process, random, users};

/// Open files that the daemon cannot do with less of: its own, and those of one client and of one
/// launch.
const LEAST_FILES: u64 = 16;

/// What a daemon is made of, whether it was started or goes on from an earlier version.
pub(super) struct Parts {
    pub(super) surroundings: Surroundings,
    pub(super) texts: source::Texts,
    /// The limits of open files, soft and hard, that it was started with.
    pub(super) open_files: (u64, u64),
    /// The file mode creation mask that it was started with.
    pub(super) umask: u32,
    pub(super) listener: TcpListener,
    pub(super) state_dir: StateDir,
    pub(super) secret: Secret,
    pub(super) log: EventLog,
}

impl Daemon {
    /// Everything up to the first turn: nothing has been launched yet.
    pub(super) fn start(options: &Options) -> Result<Self, Refusal> {
        let open_files = limits::open_files();
        limits::raise_open_files();
        let (most, _) = limits::open_files();
        if most < LEAST_FILES {
            return Err(cannot(format!(
                "only {most} files may be open at once, and it needs {LEAST_FILES} at least: \
                 raise the limit, with ulimit -n"
            )));
        }
        let surroundings = options.surroundings.clone();
        let (config, texts) = load(options)?;
        let umask = process::umask();
        process::set_umask(config.daemon.umask.unwrap_or(umask));
        let ids = match &config.daemon.user {
            Some(user) => users::resolve(Some(user), None)
                .map_err(|error| cannot(format!("daemon.user: {error}")))?,
            None => None,
        };
        // What only root may do, while it still is: the rest belongs to `daemon.user`, who could
        // aim root's hand elsewhere with a link in the folder that is that user's.
        if let (Some(ids), Some(user)) = (&ids, &config.daemon.user) {
            state_dir::prepare_for(&config.daemon.state_dir, user, ids).map_err(cannot)?;
        }
        let listener = listen(config.daemon.listen);
        if let Some(ids) = &ids {
            process::become_user(ids).map_err(|error| {
                let user = config.daemon.user.as_deref().unwrap_or_default();
                cannot(format!("becoming {user} (daemon.user): {}", cause(&error)))
            })?;
        }
        // That it runs already says more than that its port is taken.
        let state_dir = StateDir::open(&config.daemon).map_err(cannot)?;
        let listener = listener?;
        let secret = state_dir::secret(&config.daemon.secret_file).map_err(cannot)?;
        // Who waits for a detached start wants to hear of trouble only.
        let echo = if options.detach { Level::Warning } else { Level::Debug };
        let log = EventLog::open(&config.daemon.log, Some(echo)).map_err(cannot)?;
        let address = listener.local_addr().map_err(|e| cannot(cause(&e)))?;
        state_dir.write_address(address).map_err(cannot)?;
        let parts =
            Parts { surroundings, texts, open_files, umask, listener, state_dir, secret, log };
        let mut daemon = Self::assemble(parts, &config)?;
        daemon.announce(address);
        daemon.kitchen.look_up(&config);
        daemon.read_disabled();
        daemon.take_over(&config).map_err(cannot)?;
        daemon.take_up(config);
        daemon.rewrite_journal();
        Ok(daemon)
    }

    /// A daemon without any process.
    pub(super) fn assemble(parts: Parts, config: &Config) -> Result<Self, Refusal> {
        let kernel = |what: &'static str| {
            move |error: std::io::Error| cannot(format!("{what}: {}", cause(&error)))
        };
        let Parts { surroundings, texts, open_files, umask, listener, state_dir, secret, log } =
            parts;
        let seed = random::nonce().map_err(kernel("asking for random bytes"))?;
        let (most, _) = limits::open_files();
        let mut daemon = Self {
            file: std::path::absolute(&config.file).unwrap_or_else(|_| config.file.clone()),
            own_file: handover::own_file().map_err(kernel("looking for its own file"))?,
            supervisor: Supervisor::new(),
            kitchen: Kitchen::new(&config.daemon.state_dir, open_files)
                .map_err(kernel("opening /dev/null"))?,
            launcher: Launcher::new(),
            captures: Captures::default(),
            logger_ending: None,
            reports: std::collections::HashMap::new(),
            strays: Strays::default(),
            adopted: Adopted::new().map_err(kernel("making an epoll set"))?,
            journal: Journal::new(state_dir.folder()),
            upgrade: None,
            clients: Vec::new(),
            listener,
            secret,
            log,
            state_dir,
            signals: Signals::catch().map_err(kernel("making a pipe for signals"))?,
            timer: Timer::new().map_err(kernel("making a timer"))?,
            poller: poll::Poller::new(),
            spare: std::fs::File::open("/dev/null").ok(),
            umask,
            places: Places::with_free(most.saturating_sub(LEAST_FILES)),
            now: Moment { at: clock::now(), wall: clock::wall(), dice: 0.0 },
            dice: seed.iter().fold(1, |seed, byte| seed << 2 ^ u64::from(*byte)),
            surroundings,
            texts,
            config: empty(config),
        };
        if let Err(error) = process::become_subreaper() {
            daemon.warn(&format!(
                "descendants that lose their parent go to init: prctl: {}",
                cause(&error)
            ));
        }
        Ok(daemon)
    }

    /// The first lines of the log: what runs, on which file, where it listens.
    fn announce(&mut self, address: SocketAddr) {
        let (pid, file) = (std::process::id().to_string(), self.file.display().to_string());
        let address_text = address.to_string();
        let facts = [
            ("config", file.as_str()),
            ("listen", address_text.as_str()),
            ("pid", pid.as_str()),
            ("version", env!("CARGO_PKG_VERSION")),
        ];
        self.log(Level::Info, "daemon started", &facts);
        if !address.ip().is_loopback() {
            self.warn(&format!(
                "the control port {address} is open to the network, and its traffic is not encrypted; \
                 better listen on 127.0.0.1 and come by ssh -L, see taskmaster(1)"
            ));
        }
    }

    /// The first configuration: everything in it is new.
    fn take_up(&mut self, config: Config) {
        for warning in self.warnings(&config) {
            self.warn(&warning);
        }
        let changes = diff(&self.config, &config);
        let plan = self.supervisor.plan(&config, &changes);
        self.supervisor.apply(plan, &config, &changes, self.now);
        self.config = config;
        let event = self.daemon_event(EventName::DaemonStarted, "daemon started".to_owned());
        self.publish(&event);
    }
}

fn load(options: &Options) -> Result<(Config, source::Texts), Refusal> {
    let usage = |message| Refusal { status: 2, message };
    let path = source::locate(options.config.as_deref(), &options.surroundings).map_err(usage)?;
    source::load_and_keep(&path, &options.surroundings).map_err(|problems| {
        usage(format!("the configuration has problems\n{}", check::shown(&problems)))
    })
}

/// The same file and daemon, without programs: what everything is new against.
fn empty(config: &Config) -> Config {
    Config {
        file: config.file.clone(),
        daemon: config.daemon.clone(),
        programs: std::collections::BTreeMap::new(),
        warnings: Vec::new(),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Refusal> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        cannot(format!("listening on {address}: {}; see daemon.listen", cause(&error)))
    })
}
