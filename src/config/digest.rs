//! A number for all that a reload would restart a process for.
//!
//! Written down with each start, so that a later daemon, of whatever version, knows whether the
//! configuration still says the same. A key that is not set adds nothing: one that a later
//! version brings changes no number. Between two captured outputs the logger changes over by
//! itself: they count as the same.

use super::template::Template;
use super::{InheritEnv, Launch, Output};
use std::collections::BTreeMap;

impl Launch {
    /// The number; of launches for which a reload restarts nothing it is the same.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest(0xcbf2_9ce4_8422_2325);
        for word in &self.cmd {
            digest.template("cmd", word);
        }
        let attributes = &self.attributes;
        match &attributes.inherit_env {
            InheritEnv::All => {}
            InheritEnv::Nothing => digest.text("inherit_env", "nothing"),
            InheritEnv::Only(names) => {
                digest.text("inherit_env", "only");
                names.iter().for_each(|name| digest.text("inherit_env", name));
            }
        }
        digest.layer("base_env", &attributes.base_env);
        for file in &attributes.env_file {
            let key = if file.optional { "env_file?" } else { "env_file" };
            digest.template(key, &file.path);
        }
        digest.layer("env", &attributes.env);
        let mut set = |key, value: Option<String>| {
            value.iter().for_each(|value| digest.text(key, value));
        };
        set("umask", attributes.umask.map(|umask| umask.to_string()));
        set("group", attributes.group.clone());
        set("nice", attributes.nice.map(|nice| nice.to_string()));
        set("oom_score_adj", attributes.oom_score_adj.map(|score| score.to_string()));
        set("no_new_privs", attributes.no_new_privs.then(String::new));
        for (name, limit) in &attributes.limits {
            let bound = |bound: Option<u64>| bound.map_or("unlimited".into(), |b| b.to_string());
            set("limits", Some(format!("{name} {} {}", bound(limit.soft), bound(limit.hard))));
        }
        attributes.workingdir.iter().for_each(|folder| digest.template("workingdir", folder));
        attributes.user.iter().for_each(|user| digest.template("user", user));
        digest.output("stdout", &self.stdout);
        digest.output("stderr", &self.stderr);
        digest.0
    }
}

/// FNV-1a, 64 bits.
struct Digest(u64);

impl Digest {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// A key and its value, each with its end: no two pairs run into one.
    fn text(&mut self, key: &str, value: &str) {
        self.bytes(key.as_bytes());
        self.bytes(b"\0");
        self.bytes(value.as_bytes());
        self.bytes(b"\0\n");
    }

    fn template(&mut self, key: &str, value: &Template) {
        self.text(key, &value.to_text());
    }

    fn layer(&mut self, key: &str, layer: &BTreeMap<String, Template>) {
        for (name, value) in layer {
            self.text(key, name);
            self.template("=", value);
        }
    }

    fn output(&mut self, key: &str, output: &Output) {
        match output {
            Output::Auto | Output::Captured(_) => {}
            Output::File(path) => self.template(key, path),
            Output::Discard => self.text(key, "discard"),
            Output::Inherit => self.text(key, "inherit"),
            Output::Stdout => self.text(key, "stdout"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Files, PROGRAM_KEYS, Surroundings, diff, load};
    use std::path::{Path, PathBuf};

    struct Text(String);

    impl Files for Text {
        fn read(&self, _: &Path) -> Result<String, String> {
            Ok(self.0.clone())
        }

        fn list(&self, _: &Path) -> Result<Vec<String>, String> {
            Ok(Vec::new())
        }

        fn vet(&self, _: &Path, _: Option<&str>) -> Result<(), String> {
            Ok(())
        }
    }

    fn config(program: &str) -> Config {
        let text = Text(format!("programs: {{web: {{{program}}}}}"));
        let env = [("HOME".to_owned(), "/".to_owned())].into();
        let surroundings = Surroundings { root: false, env, cwd: PathBuf::from("/") };
        load(Path::new("/taskmaster.yaml"), &surroundings, &text)
            .unwrap_or_else(|problems| panic!("{program}: {problems}"))
    }

    fn agree(old: &str, new: &str) {
        let (old, new) = (config(old), config(new));
        let digest = |config: &Config| config.programs["web"].launch.digest();
        let changes = diff(&old, &new);
        let restarts = changes.changed.iter().any(|change| change.restarts);
        assert_eq!(restarts, digest(&old) != digest(&new), "{changes:?}");
    }

    #[test]
    fn it_differs_where_a_reload_would_restart_and_only_there() {
        for key in PROGRAM_KEYS.iter().filter(|key| key.restarts) {
            let values = match key.name {
                "cmd" => ["run a b", "run 'a b'"],
                "stdout" => ["discard", "/a"],
                "stderr" => ["stdout", "inherit"],
                "env" => ["{A: b}", "{A: '', b: ''}"],
                "env_file" => ["/a", "-/a"],
                "inherit_env" => ["false", "[A]"],
                "workingdir" => ["'/${index}'", "'/${name}'"],
                "umask" | "nice" | "oom_score_adj" => ["1", "2"],
                "user" | "group" => ["a", "b"],
                "limits" => ["{core: 0}", "{core: [0, 1]}"],
                "no_new_privs" => ["true", "false"],
                other => panic!("how does {other} change? It belongs to the digest, too"),
            };
            for value in values {
                let rest = if key.name == "cmd" { "" } else { "cmd: run, " };
                let other = if key.name == "cmd" { "cmd: run" } else { "" };
                agree(&format!("{rest}{other}"), &format!("{rest}{}: {value}", key.name));
            }
            let [one, other] = values.map(|value| format!("{}: {value}", key.name));
            let rest = if key.name == "cmd" { "" } else { "cmd: run, " };
            agree(&format!("{rest}{one}"), &format!("{rest}{other}"));
        }
    }

    #[test]
    fn what_changes_in_place_is_not_in_it() {
        agree("cmd: run", "cmd: run, stopsignal: HUP, numprocs: 3, autostart: false");
        agree("cmd: run, stdout: {file: a}", "cmd: run, stdout: {file: b, keep: 9}");
    }
}
