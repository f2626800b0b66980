//! Which files make up a configuration: the main one, and what its `include:` names.

use super::report::Report;
use super::source::Source;
use super::tree::{Node, Value};
use super::values;
use super::{Files, Surroundings};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Reads the main file and those it includes, in that order, each vetted.
pub(super) fn gather(
    main: &Path,
    surroundings: &Surroundings,
    files: &dyn Files,
    report: &mut Report,
) -> Vec<Source> {
    let cwd = &surroundings.cwd;
    let main = Source::new(main, cwd, files.read(main), 0, report);
    let user = main.tree.get("daemon").and_then(|daemon| daemon.get("user"));
    let user = user.and_then(Node::text).map(str::to_owned);
    if !matches!(main.tree.value, Value::Null)
        && let Err(why) = files.vet(&main.file, user.as_deref())
    {
        report.error_in_file(main.tree.id, None, why);
    }
    let mut included: Vec<Source> = Vec::new();
    for (item, file) in named(&main, cwd, files, report) {
        match files.read(&file) {
            Ok(text) => {
                let text = files.vet(&file, user.as_deref()).map(|()| text);
                let first = included.last().unwrap_or(&main).tree.end;
                included.push(Source::new(&file, cwd, text, first, report));
            }
            Err(why) => report.error(item, format!("cannot read {}: {why}", file.display())),
        }
    }
    let mut sources = vec![main];
    sources.extend(included);
    sources
}

/// The files that `include:` names, in its order, those of a glob by name, each once; and where it
/// names them.
fn named<'m>(
    main: &'m Source,
    cwd: &Path,
    files: &dyn Files,
    report: &mut Report,
) -> Vec<(&'m Node, PathBuf)> {
    let items = match main.tree.get("include") {
        None => return Vec::new(),
        Some(Node { value: Value::List(items), .. }) => items.iter().collect(),
        Some(item) => vec![item],
    };
    let absolute = |file: &Path| cwd.join(file).components().collect::<PathBuf>();
    let itself = absolute(&main.file);
    let mut seen = HashSet::from([itself.clone()]);
    let mut included = Vec::new();
    for item in items {
        let Some(pattern) = item.text().filter(|text| !text.is_empty()) else {
            report.error(item, "must be a path, a glob such as conf.d/*.yaml, or a list of them");
            continue;
        };
        if let Err(why) = values::path_as_written(pattern) {
            report.error(item, why);
            continue;
        }
        let folder = main.file.parent().unwrap_or(Path::new(""));
        match found_by(folder, pattern, files) {
            Ok(found) => {
                if found.is_empty() {
                    report.warning(item, "matches no file");
                }
                if !pattern.contains(['*', '?'])
                    && found.iter().any(|file| absolute(file) == itself)
                {
                    report.error(item, "is this very file, which cannot include itself");
                }
                let new = found.into_iter().filter(|file| seen.insert(absolute(file)));
                included.extend(new.map(|file| (item, file)));
            }
            Err(why) => report.error(item, why),
        }
    }
    included
}

/// The files that a pattern names, by name. One without `*` and `?` names itself,
/// whether it exists or not.
fn found_by(folder: &Path, pattern: &str, files: &dyn Files) -> Result<Vec<PathBuf>, String> {
    let start = if pattern.starts_with('/') { Path::new("/") } else { folder };
    let mut found = vec![start.to_owned()];
    let mut listed = false;
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if matches!(part, "." | "..") || !(listed || part.contains(['*', '?'])) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let mut within = Vec::new();
        for folder in &found {
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            match files.list(here) {
                Ok(names) => within.extend(
                    names.iter().filter(|name| matches(part, name)).map(|name| folder.join(name)),
                ),
                // What a glob found before need not be a folder, and one to come need not exist.
                Err(why) if listed || why.starts_with("No such file") => {}
                Err(why) => return Err(format!("cannot list {}: {why}", here.display())),
            }
        }
        found = within;
        listed = true;
    }
    found.sort();
    Ok(found)
}

/// Whether a glob matches the name of a file. As in a shell, a leading dot must be written.
fn matches(pattern: &str, name: &str) -> bool {
    (pattern.starts_with('.') || !name.starts_with('.')) && super::glob(pattern, name)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_leading_dot_is_matched_by_none_but_one() {
        for (pattern, name) in [("*.yaml", "web.yaml"), (".*", ".a"), ("*", "a.b")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*", ".a"), ("?a", ".a"), ("*.yaml", "web.yaml.bak")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
