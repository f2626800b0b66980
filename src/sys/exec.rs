//! Where a command's file may lie.

use std::ffi::CString;

/// Where PATH is unset.
pub const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The files that `command` may mean, in the order in which to try them: itself where it has a
/// slash, else one in each folder of `path`. An empty folder means the current one, as POSIX has it.
pub fn candidates(command: &str, path: Option<&str>) -> Vec<CString> {
    if command.contains('/') {
        return CString::new(command).into_iter().collect();
    }
    let folders = path.unwrap_or(DEFAULT_PATH).split(':');
    let files = folders.map(|folder| match folder {
        "" => format!("./{command}"),
        folder => format!("{}/{command}", folder.trim_end_matches('/')),
    });
    files.filter_map(|file| CString::new(file).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn a_slash_means_the_file_itself() {
        assert_eq!(candidates("./run", Some("/bin")), [c"./run".to_owned()]);
    }

    #[test]
    fn else_path_is_searched_and_an_empty_folder_is_the_current_one() {
        let expected = [c"/bin/sh", c"./sh", c"/sh"].map(ToOwned::to_owned);
        assert_eq!(candidates("sh", Some("/bin/::/")), expected);
        assert_eq!(candidates("sh", None).len(), 3);
    }
}
