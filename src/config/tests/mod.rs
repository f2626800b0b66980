//! The room's tests: stories of whole files, told through [`load`] and [`daemon_only`].

mod daemon;
mod difference;
mod expansion;
mod files;
mod hostile;
mod keys;
mod mail;
mod order;
mod output;
mod places;
mod show;

use super::mail::Occasion;
use super::*;

/// A file system of a few texts.
#[derive(Default)]
struct InMemory {
    texts: BTreeMap<PathBuf, String>,
    distrusted: BTreeSet<PathBuf>,
}

impl InMemory {
    fn new(texts: &[(&str, &str)]) -> InMemory {
        let texts = texts.iter().map(|(name, text)| (PathBuf::from(name), text.to_string()));
        InMemory { texts: texts.collect(), distrusted: BTreeSet::new() }
    }
}

impl Files for InMemory {
    fn read(&self, path: &Path) -> Result<String, String> {
        self.texts.get(path).cloned().ok_or_else(|| "No such file or directory".to_owned())
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, String> {
        let inside = |path: &PathBuf| {
            let path = Path::new(".").join(path);
            let folder = Path::new(".").join(folder);
            let first = path.strip_prefix(folder).ok()?.components().next()?;
            Some(first.as_os_str().to_str()?.to_owned())
        };
        let names: BTreeSet<String> = self.texts.keys().filter_map(inside).collect();
        // The order of a folder is any.
        let names: Vec<String> = names.into_iter().rev().collect();
        if names.is_empty() { Err("No such file or directory".to_owned()) } else { Ok(names) }
    }

    fn vet(&self, path: &Path, daemon_user: Option<&str>) -> Result<(), String> {
        match self.distrusted.contains(path) {
            true => Err(format!("others may write it, {daemon_user:?}: chmod go-w it")),
            false => Ok(()),
        }
    }
}

fn surroundings() -> Surroundings {
    let env = [("HOME", "/home/me"), ("EMPTY", ""), ("PATH", "/bin")];
    Surroundings {
        root: false,
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        cwd: PathBuf::from("/srv"),
    }
}

fn read(text: &str) -> Result<Config, Problems> {
    load(Path::new("tm.yaml"), &surroundings(), &InMemory::new(&[("tm.yaml", text)]))
}

fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|problems| panic!("{problems}\nin:\n{text}"))
}

/// Every problem of a text, a line each.
fn problems(text: &str) -> Vec<String> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
    }
}

/// A program `p` with these keys; a `cmd` is added where there is none.
fn with_keys(keys: &str) -> String {
    let cmd = if keys.contains("cmd:") || keys.contains("command:") { "" } else { "cmd: run, " };
    format!("programs: {{p: {{{cmd}{keys}}}}}")
}

fn program(keys: &str) -> Rc<Program> {
    Rc::clone(&good(&with_keys(keys)).programs["p"])
}

/// What a program with these keys is told, less place and name.
fn refused(keys: &str) -> String {
    let told = problems(&with_keys(keys));
    let [told] = told.as_slice() else { panic!("{keys}: not one problem: {told:?}") };
    told.split_once(": programs.p.").unwrap_or_else(|| panic!("{told}")).1.to_owned()
}

fn plain(template: &Template) -> &str {
    template.as_plain().unwrap()
}
