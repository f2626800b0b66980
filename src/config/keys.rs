//! The table of configuration keys.
//!
//! The reader, its near misses, the manual page, the sample and their tests all
//! read this one.

/// A key of a map in the configuration.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Supervisor's name for it, accepted too; or none.
    pub alias: Option<&'static str>,
    /// Whether a reload restarts the program's processes when it changes.
    pub restarts: bool,
}

const fn key(name: &'static str) -> Key {
    Key { name, alias: None, restarts: false }
}

const fn also(name: &'static str, alias: &'static str) -> Key {
    Key { name, alias: Some(alias), restarts: false }
}

const fn restarts(key: Key) -> Key {
    Key { name: key.name, alias: key.alias, restarts: true }
}

/// The sections of the file. All but `programs` stand only in the main one.
pub const TOP_KEYS: &[Key] =
    &[key("daemon"), key("mail"), key("hooks"), key("include"), key("defaults"), key("programs")];

/// The keys of `daemon:`.
pub const DAEMON_KEYS: &[Key] = &[
    key("listen"),
    key("state_dir"),
    key("secret_file"),
    key("log"),
    key("user"),
    key("umask"),
    key("env"),
    key("shutdown_time"),
    key("exit_when"),
];

/// The keys of `daemon.log`.
pub const LOG_KEYS: &[Key] =
    &[key("file"), key("level"), key("format"), key("max_bytes"), key("keep")];

/// The keys of `mail:`.
pub const MAIL_KEYS: &[Key] = &[
    key("server"),
    key("password_file"),
    key("from"),
    key("to"),
    key("on"),
    key("digest"),
    key("timeout"),
];

/// The keys of an entry of `hooks:`.
pub const HOOK_KEYS: &[Key] = &[key("on"), key("cmd"), key("timeout")];

/// The keys of `stdout` and `stderr`, where they are maps.
pub const CAPTURE_KEYS: &[Key] = &[key("file"), key("max_bytes"), key("keep"), key("timestamps")];

/// The keys of `backoff`, where it is a map.
pub const BACKOFF_KEYS: &[Key] = &[key("initial"), key("max"), key("factor"), key("jitter")];

/// The keys of `max_restarts`.
pub const MAX_RESTARTS_KEYS: &[Key] = &[key("count"), key("within")];

/// The keys of one program under `depends_on`, where it is a map.
pub const DEPENDENCY_KEYS: &[Key] = &[key("on"), key("restart")];

/// The keys of `ready`, where it is a map. One of the first four is there.
pub const READY_KEYS: &[Key] =
    &[key("notify"), key("fd"), key("tcp"), key("exec"), key("timeout"), key("watchdog")];

/// The keys of `health`. One of the first three is there.
pub const HEALTH_KEYS: &[Key] = &[
    key("exec"),
    key("tcp"),
    key("http"),
    key("interval"),
    key("timeout"),
    key("retries"),
    key("start_period"),
];

/// The keys of a program, and of `defaults:`.
pub const PROGRAM_KEYS: &[Key] = &[
    restarts(also("cmd", "command")),
    key("numprocs"),
    key("autostart"),
    key("autorestart"),
    key("exitcodes"),
    also("starttime", "startsecs"),
    key("startretries"),
    key("backoff"),
    key("max_restarts"),
    key("stopsignal"),
    also("stoptime", "stopwaitsecs"),
    key("stopasgroup"),
    restarts(also("stdout", "stdout_logfile")),
    restarts(also("stderr", "stderr_logfile")),
    restarts(also("env", "environment")),
    restarts(key("env_file")),
    restarts(key("inherit_env")),
    restarts(also("workingdir", "directory")),
    restarts(key("umask")),
    restarts(key("user")),
    restarts(key("group")),
    restarts(key("limits")),
    restarts(key("nice")),
    restarts(key("oom_score_adj")),
    restarts(key("no_new_privs")),
    key("depends_on"),
    key("ready"),
    key("health"),
    key("critical"),
    key("mail"),
];

/// Supervisor's keys of a program that have no counterpart of one value here, and the way out.
pub const SUPERVISOR_KEYS: &[(&str, &str)] = &[
    ("redirect_stderr", "write `stderr: stdout`"),
    ("stdout_logfile_maxbytes", "write `stdout: {file: PATH, max_bytes: 50MB}`"),
    ("stdout_logfile_backups", "write `stdout: {file: PATH, keep: 10}`"),
    ("stderr_logfile_maxbytes", "write `stderr: {file: PATH, max_bytes: 50MB}`"),
    ("stderr_logfile_backups", "write `stderr: {file: PATH, keep: 10}`"),
    ("killasgroup", "leave it out: SIGKILL always goes to the whole group"),
    ("priority", "say with `depends_on` what comes first"),
    ("process_name", "leave it out: processes are called as web, or web:0, web:1"),
    ("numprocs_start", "leave it out: `${index}` counts from 0"),
    ("events", "`mail` and `hooks` tell of events, and so does the command events"),
];
