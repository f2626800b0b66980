//! The daemon's start: everything up to the first turn. What fails here ends it, with the reason.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::accept::Places;
use super::adopted::Adopted;
use super::capture::Captures;
use super::container::{self, Control, Found};
use super::ends::Looks;
use super::given::Given;
use super::identities::Identities;
use super::journal::Journal;
use super::log::EventLog;
use super::probes::Probes;
use super::recipe::Kitchen;
use super::state_dir::{self, NoStateDir, StateDir};
use super::strays::Strays;
use super::texts::Texts;
use super::{Daemon, Options, Refusal, cannot, check, source};
use crate::config::{Config, Level, Problems, Surroundings, diff};
use crate::protocol::EventName;
use crate::protocol::hello::{Secret, hex};
use crate::supervisor::{Moment, Supervisor};
use crate::sys::signals::Signals;
use crate::sys::spawn::Launcher;
use crate::sys::timer::Timer;
use crate::sys::{cause, clock, handover, limits, poll, port, process, random, users};

/// Open files that the daemon cannot do with less of: its own, and those of one client and of one
/// launch.
const LEAST_FILES: u64 = 17;

/// What a daemon is made of, whether it was started or goes on from an earlier version.
pub(super) struct Parts {
    pub(super) surroundings: Surroundings,
    pub(super) texts: Texts,
    pub(super) limits: Given,
    /// The file mode creation mask that it was started with.
    pub(super) umask: u32,
    /// None: the control port is closed.
    pub(super) listener: Option<TcpListener>,
    pub(super) state_dir: StateDir,
    pub(super) secret: Secret,
    pub(super) log: EventLog,
    /// Random.
    pub(super) seed: [u8; 32],
}

impl Daemon {
    /// Everything up to the first turn: nothing has been launched yet.
    pub(super) fn start(options: &Options) -> Result<Self, Refusal> {
        let given = Given::now();
        limits::raise_open_files();
        let (most, _) = limits::open_files();
        if most < LEAST_FILES {
            return Err(cannot(format!(
                "only {most} files may be open at once, and it needs {LEAST_FILES} at least: \
                 raise the limit, with ulimit -n"
            )));
        }
        let surroundings = options.surroundings.clone();
        let (mut config, texts) = load(options)?;
        let umask = process::umask();
        process::set_umask(config.daemon.umask.unwrap_or(umask));
        let ids = match &config.daemon.user {
            Some(user) => users::resolve(Some(user), None)
                .map_err(|error| cannot(format!("daemon.user: {error}")))?,
            None => None,
        };
        // What only root may do, while it still is: the rest belongs to `daemon.user`, who could
        // aim root's hand elsewhere with a link in the folder that is that user's.
        let prepared = match (&ids, &config.daemon.user) {
            (Some(ids), Some(user)) => state_dir::prepare_for(&config.daemon.state_dir, user, ids)
                .map_err(NoStateDir::Unusable),
            (_, _) => Ok(()),
        };
        if !container::is_init() {
            prepared.as_ref().map_err(|error| cannot(error.to_string()))?;
        }
        let listener = listen(config.daemon.listen);
        if let Some(ids) = &ids {
            process::become_user(ids).map_err(|error| {
                let user = config.daemon.user.as_deref().unwrap_or_default();
                cannot(format!("becoming {user} (daemon.user): {}", cause(&error)))
            })?;
        }
        // That it runs already says more than that its port is taken.
        let opened = prepared.and_then(|()| StateDir::open(&config.daemon));
        let Found { state_dir, without } = container::go_on_without(opened, &mut config.daemon)?;
        let listener = listener?;
        let kernel = |what: &'static str| {
            move |error: std::io::Error| cannot(format!("{what}: {}", cause(&error)))
        };
        let seed = random::nonce().map_err(kernel("asking for random bytes"))?;
        let Control { listener, address, secret } =
            container::control(listener, &config.daemon, state_dir.is_there(), &seed)?;
        // Who waits for a detached start wants to hear of trouble only.
        let echo = if options.detach { Level::Warning } else { Level::Debug };
        let log = EventLog::open(&config.daemon.log, Some(echo)).map_err(cannot)?;
        let told = address.as_ref().map_or(Ok(()), |address| state_dir.write_address(*address));
        if !container::is_init() {
            told.as_ref().map_err(cannot)?;
        }
        let parts = Parts {
            surroundings,
            texts,
            limits: given,
            umask,
            listener,
            state_dir,
            secret,
            log,
            seed,
        };
        let mut daemon = Self::assemble(parts, &config)?;
        daemon.announce(address.as_ref().ok().copied());
        daemon.announce_lack(without.as_deref(), address.err().as_deref());
        if let Err(error) = told {
            daemon.warn(&error);
        }
        daemon.kitchen.identities = Identities::look_up(&config);
        daemon.read_disabled();
        let adoptions = daemon.take_over(&config).map_err(cannot)?;
        daemon.take_up(config);
        adoptions.iter().for_each(|event| daemon.publish(event));
        daemon.supervisor.look_around(daemon.now);
        daemon.watch_all();
        daemon.rewrite_journal();
        Ok(daemon)
    }

    /// A daemon without any process.
    pub(super) fn assemble(parts: Parts, config: &Config) -> Result<Self, Refusal> {
        let kernel = |what: &'static str| {
            move |error: std::io::Error| cannot(format!("{what}: {}", cause(&error)))
        };
        let Parts {
            surroundings,
            texts,
            limits: given,
            umask,
            listener,
            state_dir,
            secret,
            log,
            seed,
        } = parts;
        let (most, _) = limits::open_files();
        let kept = state_dir.is_there().then_some(&*config.daemon.state_dir);
        let mut daemon = Self {
            file: std::path::absolute(&config.file).unwrap_or_else(|_| config.file.clone()),
            own_file: handover::own_file().map_err(kernel("looking for its own file"))?,
            supervisor: Supervisor::new(),
            kitchen: Kitchen::new(kept, given).map_err(kernel("opening /dev/null"))?,
            launcher: Launcher::new(),
            captures: Captures::default(),
            logger_ending: None,
            logger_is_late: false,
            reports: std::collections::HashMap::new(),
            probes: Probes::new(notify_prefix(&config.daemon.state_dir, &seed))
                .map_err(kernel("making an epoll set"))?,
            strays: Strays::default(),
            looks: Looks::default(),
            reporting: super::report::Reporting::default(),
            adopted: Adopted::new().map_err(kernel("making an epoll set"))?,
            journal: Journal::new(state_dir.folder()),
            lingering: super::lingering::Lingering::default(),
            asked: Vec::new(),
            upgrade: None,
            refusals: Default::default(),
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
            status: 0,
            surroundings,
            texts,
            config: empty(config),
        };
        // Not before the kitchen has noted what it was: its programs get that.
        limits::lower_core();
        if let Err(error) = process::become_subreaper() {
            daemon.warn(&format!(
                "descendants that lose their parent go to init: prctl: {}",
                cause(&error)
            ));
        }
        Ok(daemon)
    }

    /// The first lines of the log: what runs, on which file, where it listens.
    fn announce(&mut self, address: Option<SocketAddr>) {
        let (pid, file) = (std::process::id().to_string(), self.file.display().to_string());
        let address_text = address.map_or_else(|| "nowhere".to_owned(), |a| a.to_string());
        let facts = [
            ("config", file.as_str()),
            ("listen", address_text.as_str()),
            ("pid", pid.as_str()),
            ("version", env!("CARGO_PKG_VERSION")),
        ];
        self.log(Level::Info, "daemon started", &facts);
        if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
            self.warn(&format!(
                "the control port {address} is open to the network, and its traffic is not encrypted; \
                 better listen on 127.0.0.1 and come by ssh -L, see taskmaster(1)"
            ));
        }
    }

    /// The first configuration: everything in it is new.
    fn take_up(&mut self, config: Config) {
        for warning in self.warnings(&config, &self.texts, &self.kitchen.identities) {
            self.warn(&warning);
        }
        let changes = diff(&self.config, &config);
        let plan = self.supervisor.plan(&config, &changes);
        self.supervisor.apply(plan, &config, &changes, self.now);
        self.config = config;
        self.change_mail();
        let event = self.daemon_event(EventName::DaemonStarted, "daemon started".to_owned());
        self.publish(&event);
    }
}

/// What the names of notify sockets begin with: the same for every daemon of this state folder,
/// since processes may outlive one, and in no two containers that share a network.
fn notify_prefix(state_dir: &Path, seed: &[u8]) -> String {
    match state_dir.metadata() {
        Ok(about) => format!("taskmaster/{:x}.{:x}", about.dev(), about.ino()),
        Err(_) => format!("taskmaster/{}", hex(seed.get(..8).unwrap_or_default())),
    }
}

fn load(options: &Options) -> Result<(Config, Texts), Refusal> {
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
        mail: None,
        hooks: Vec::new(),
        programs: std::collections::BTreeMap::new(),
        warnings: Problems::default(),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Refusal> {
    port::listen(address).map_err(|error| {
        cannot(format!("listening on {address}: {}; see daemon.listen", cause(&error)))
    })
}
