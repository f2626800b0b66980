//! Where the configuration and the state are, when nobody says.

use super::Surroundings;
use std::path::{Path, PathBuf};

/// The files that are tried in turn when none is named: `$TASKMASTER_CONFIG`, the
/// current folder's, the user's, the system's.
pub fn candidates(surroundings: &Surroundings) -> Vec<PathBuf> {
    let named = surroundings.set("TASKMASTER_CONFIG").map(PathBuf::from);
    let users = surroundings
        .base_folder("XDG_CONFIG_HOME", ".config")
        .map(|folder| folder.join("taskmaster/taskmaster.yaml"));
    named
        .into_iter()
        .chain([PathBuf::from("taskmaster.yaml")])
        .chain(users)
        .chain([PathBuf::from("/etc/taskmaster/taskmaster.yaml")])
        .collect()
}

/// Whether a configuration may have this path: it stands in what programs are given as `${here}`, in
/// the paths of their output and in what the shell is told, and all of that is text.
///
/// # Errors
/// The path, and the way out.
pub fn vet_path(file: &Path, surroundings: &Surroundings) -> Result<(), String> {
    let path = surroundings.cwd.join(file);
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(format!(
            "the path of the configuration, {path:?}, is not UTF-8: rename the file or folder, or \
             name a symbolic link to it"
        )),
    }
}

/// The `state_dir` that counts when the configuration names none; none without a home.
pub(super) fn state_dir(surroundings: &Surroundings) -> Option<PathBuf> {
    if surroundings.root {
        return Some(PathBuf::from("/var/lib/taskmaster"));
    }
    surroundings
        .base_folder("XDG_STATE_HOME", ".local/state")
        .map(|folder| folder.join("taskmaster"))
}

impl Surroundings {
    /// A variable's value; an empty one counts as unset.
    fn set(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The file with the secret, where the configuration names none.
    pub(super) fn secret_file(&self) -> Option<PathBuf> {
        self.set("TASKMASTER_SECRET_FILE").map(|file| self.cwd.join(file))
    }

    /// A folder of the XDG Base Directory Specification, which says to ignore relative paths.
    fn base_folder(&self, variable: &str, under_home: &str) -> Option<PathBuf> {
        let absolute = |name| self.set(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(under_home)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(env: &[(&str, &str)]) -> Surroundings {
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Surroundings { root: false, env, cwd: PathBuf::from("/here") }
    }

    fn names(env: &[(&str, &str)]) -> Vec<String> {
        candidates(&with(env)).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn the_nearest_file_comes_first() {
        assert_eq!(
            names(&[("TASKMASTER_CONFIG", "my.yaml"), ("XDG_CONFIG_HOME", "/cfg"), ("HOME", "/h")]),
            ["my.yaml", "taskmaster.yaml", "/cfg/taskmaster/taskmaster.yaml", SYSTEM]
        );
        assert_eq!(
            names(&[("HOME", "/h")]),
            ["taskmaster.yaml", "/h/.config/taskmaster/taskmaster.yaml", SYSTEM]
        );
    }

    #[test]
    fn a_path_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStrExt as _;
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"d\xff"));
        let mut around = with(&[]);
        assert_eq!(vet_path(Path::new("é.yaml"), &around), Ok(()));
        let why = vet_path(&odd.join("a.yaml"), &around).unwrap_err();
        assert!(why.contains("\"/here/d\\xFF/a.yaml\", is not UTF-8: rename"), "{why}");
        around.cwd.push(odd);
        assert!(vet_path(Path::new("a.yaml"), &around).is_err());
        assert_eq!(vet_path(Path::new("/a.yaml"), &around), Ok(()));
    }

    const SYSTEM: &str = "/etc/taskmaster/taskmaster.yaml";

    #[test]
    fn empty_and_relative_folders_count_as_unset() {
        let env = [("TASKMASTER_CONFIG", ""), ("XDG_CONFIG_HOME", "cfg"), ("HOME", "")];
        assert_eq!(names(&env), ["taskmaster.yaml", SYSTEM]);
    }

    #[test]
    fn the_secret_may_be_named_by_the_environment() {
        assert_eq!(with(&[]).secret_file(), None);
        assert_eq!(with(&[("TASKMASTER_SECRET_FILE", "")]).secret_file(), None);
        let named = |path| with(&[("TASKMASTER_SECRET_FILE", path)]).secret_file();
        assert_eq!(named("/run/secrets/tm"), Some(PathBuf::from("/run/secrets/tm")));
        assert_eq!(named("tm"), Some(PathBuf::from("/here/tm")));
    }

    #[test]
    fn the_state_lies_where_the_system_or_the_user_keeps_it() {
        let root = Surroundings { root: true, ..with(&[("HOME", "/root")]) };
        assert_eq!(state_dir(&root), Some(PathBuf::from("/var/lib/taskmaster")));
        let user = with(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]);
        assert_eq!(state_dir(&user), Some(PathBuf::from("/s/taskmaster")));
        let user = with(&[("HOME", "/h")]);
        assert_eq!(state_dir(&user), Some(PathBuf::from("/h/.local/state/taskmaster")));
        assert_eq!(state_dir(&with(&[])), None);
    }
}
