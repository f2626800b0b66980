//! What is feared, in taskmaster-security(7): each fear names tests that hold it, and those must
//! be there.

use std::fs;

use super::{page, top};

/// Every source file of the program and its tests, by the path of its module, with its text.
fn sources() -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![top("src"), top("tests/it")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.with_extension("");
                let base = [top("src"), top("tests/it")];
                let name = base.iter().find_map(|base| path.strip_prefix(base).ok()).unwrap();
                found.push((name.to_string_lossy().replace('/', "::"), text));
            }
        }
    }
    found
}

#[test]
fn what_is_feared_is_held_by_tests_that_are_there() {
    let sources = sources();
    let is_test = |name: &str| {
        let (module, test) = name.rsplit_once("::").unwrap();
        sources.iter().any(|(file, text)| {
            let marked = ["#[test]\nfn ", "#[test]\n    fn "].map(|mark| format!("{mark}{test}("));
            file == module && marked.iter().any(|mark| text.contains(mark))
        })
    };
    let page = page("taskmaster-security.7");
    let fears: Vec<&str> = page.split("\n.It ").skip(1).collect();
    assert!(fears.len() > 15, "{}", fears.len());
    for fear in fears {
        let fear = fear.split("\n.El").next().unwrap();
        let tests = fear.split_once(".Bd -literal\n").map_or("", |(_, tests)| tests);
        let tests: Vec<&str> = tests.lines().take_while(|line| *line != ".Ed").collect();
        assert!(!tests.is_empty(), "nothing holds: {fear}");
        for test in tests {
            assert!(is_test(test), "no such test: {test}");
        }
    }
}
