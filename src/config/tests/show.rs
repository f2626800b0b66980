//! Settings as they are shown: every key, what differs, and no secrets.

use super::*;

/// For every key a value that is not its default, and how that is shown.
const WRITTEN: &[(&str, &str, &str)] = &[
    ("cmd", "run --port 80${index} 'two words'", "run --port 801 'two words'"),
    ("numprocs", "2", "2"),
    ("autostart", "no", "false"),
    ("autorestart", "yes", "always"),
    ("exitcodes", "[0, 2, TERM]", "[0, 2, TERM]"),
    ("starttime", "0.5", "500ms"),
    ("startretries", "unlimited", "unlimited"),
    ("backoff", "{initial: 500ms, max: 1.5s}", "{initial: 500ms, max: 1.5s}"),
    ("max_restarts", "{count: 5, within: 600}", "{count: 5, within: 10m}"),
    ("stopsignal", "sigint", "INT"),
    ("stoptime", "90", "90s"),
    ("stopasgroup", "on", "true"),
    (
        "stdout",
        "{file: '/log/${name}', max_bytes: 10MB, keep: 0, timestamps: yes}",
        "{file: /log/a:1, max_bytes: 10MB, keep: 0, timestamps: true}",
    ),
    ("stderr", "null", "discard"),
    ("env", "{TOKEN: hush, B: '2'}", "B, TOKEN"),
    ("env_file", "[/etc/env, -/etc/more]", "[/etc/env, -/etc/more]"),
    ("inherit_env", "[PATH, HOME]", "[HOME, PATH]"),
    ("workingdir", "/srv/${index}", "/srv/1"),
    ("umask", "022", "022"),
    ("user", "www-data", "www-data"),
    ("group", "adm", "adm"),
    ("limits", "{nofile: [10, 1KB], core: unlimited}", "{core: unlimited, nofile: [10, 1024]}"),
    ("nice", "5", "5"),
    ("oom_score_adj", "-10", "-10"),
    ("no_new_privs", "yes", "true"),
    (
        "depends_on",
        "{b: started, c: {restart: with}}",
        "{b: started, c: {on: ready, restart: with}}",
    ),
    ("ready", "{exec: 'test -e ${name}', timeout: 5}", "{exec: test -e a:1, timeout: 5s}"),
    (
        "health",
        "{http: 'http://localhost:80/up', retries: 1}",
        "{http: http://localhost:80/up, interval: 10s, timeout: 5s, retries: 1, start_period: 0s}",
    ),
    ("critical", "yes", "true"),
];

#[test]
fn every_key_is_shown_as_it_would_be_written() {
    let keys: Vec<&str> = WRITTEN.iter().map(|(key, ..)| *key).collect();
    let table: Vec<&str> = PROGRAM_KEYS.iter().map(|key| key.name).collect();
    assert_eq!(keys, table, "a new key is shown by config/show.rs, and here");
    let lines = WRITTEN.iter().map(|(key, value, _)| format!("    {key}: {value}\n"));
    let others = "programs:\n  b: {cmd: b}\n  c: {cmd: c}\n  a:\n";
    let config = good(&format!("{others}{}", lines.collect::<String>()));
    let program = &config.programs["a"];
    let shown = settings(program, 1);
    for (key, _, expected) in &WRITTEN[1..] {
        let value = shown.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!(value, Some(*expected), "{key}");
    }
    assert_eq!(shown.len(), WRITTEN.len() - 1, "the command stands apart");
    assert_eq!(command_line(program, 1), WRITTEN[0].2);
}

#[test]
fn what_is_as_ever_is_not_shown() {
    let config = good("programs: {a: {cmd: a, autorestart: unexpected, exitcodes: 0}}");
    assert_eq!(settings(&config.programs["a"], 0), []);
}

#[test]
fn what_defaults_and_the_daemon_say_is_in_force() {
    let config = good(
        "daemon: {umask: 027, env: {LANG: C}}\n\
         defaults: {stoptime: 1h}\n\
         programs: {a: {cmd: a, stderr: stdout, stdout: {file: /x}, backoff: 0}}",
    );
    let shown: Vec<String> = settings(&config.programs["a"], 0)
        .into_iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    assert_eq!(
        shown,
        [
            "backoff: 0s",
            "stoptime: 1h",
            "stdout: {file: /x}",
            "stderr: stdout",
            "env: LANG",
            "umask: 027"
        ]
    );
}
