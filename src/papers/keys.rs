//! What can be configured: the keys in taskmaster.yaml(5); its examples and the sample must load.

use std::collections::BTreeSet;

use super::mdoc::{Item, behind, items, literals};
use super::{PAGES, default_listen, load, page, paper, set};
use crate::cli::APPLETS;
use crate::config::{
    self, BACKOFF_KEYS, CAPTURE_KEYS, DAEMON_KEYS, DEPENDENCY_KEYS, HEALTH_KEYS, HOOK_KEYS,
    LOG_KEYS, MAIL_KEYS, MAX_RESTARTS_KEYS, PROGRAM_KEYS, READY_KEYS, TOP_KEYS,
};
use crate::protocol::COMMANDS;

/// The names of resource limits, as the error about one that there is not lists them.
fn limits() -> BTreeSet<String> {
    let problems = load("programs: {a: {cmd: a, limits: {qqqqqqqq: 1}}}").unwrap_err().to_string();
    let (_, keys) = problems.split_once("there are ").unwrap_or_else(|| panic!("{problems}"));
    set(keys.lines().next().unwrap().split(", ").map(str::to_owned))
}

fn keys_below(page: &str, section: &str, key: &str) -> BTreeSet<String> {
    let items = items(page, section);
    let start = items.iter().position(|item| item.depth == 1 && item.text() == key).unwrap();
    set(items.iter().skip(start + 1).take_while(|item| item.depth == 2).map(Item::text))
}

#[test]
fn the_keys_stand_in_taskmaster_yaml_5_with_the_mark_of_those_that_restart() {
    let page = page("taskmaster.yaml.5");
    let written = |section| {
        let outer = items(&page, section).into_iter().filter(|item| item.depth == 1);
        set(outer.map(|item| item.words.join(" ")))
    };
    let known = |keys: &[config::Key]| {
        set(keys.iter().map(|key| {
            let alias = key.alias.map(|alias| format!(" Po Ic {alias} Pc")).unwrap_or_default();
            let mark = if key.restarts { " Bq restarts" } else { "" };
            format!("Ic {}{alias}{mark}", key.name)
        }))
    };
    assert_eq!(written("SECTIONS"), known(TOP_KEYS));
    assert_eq!(written("DAEMON KEYS"), known(DAEMON_KEYS));
    assert_eq!(written("PROGRAM KEYS"), known(PROGRAM_KEYS));
    assert_eq!(written("MAIL KEYS"), known(MAIL_KEYS));
    assert_eq!(written("HOOK KEYS"), known(HOOK_KEYS));
    let below = |keys: &[config::Key]| set(keys.iter().map(|key| key.name.to_owned()));
    assert_eq!(keys_below(&page, "DAEMON KEYS", "log"), below(LOG_KEYS));
    assert_eq!(keys_below(&page, "PROGRAM KEYS", "backoff"), below(BACKOFF_KEYS));
    let in_maps = [
        ("depends_on", DEPENDENCY_KEYS),
        ("ready", READY_KEYS),
        ("health", HEALTH_KEYS),
        ("max_restarts", MAX_RESTARTS_KEYS),
    ];
    for (key, keys) in in_maps {
        assert_eq!(keys_below(&page, "PROGRAM KEYS", key), below(keys), "{key}");
    }
    assert_eq!(keys_below(&page, "OUTPUT", "map"), below(CAPTURE_KEYS));
    let limits = limits();
    let limits_item =
        items(&page, "PROGRAM KEYS").into_iter().find(|i| i.text() == "limits restarts");
    let listed = behind(&limits_item.unwrap().body, "Li").concat();
    for limit in limits {
        assert!(listed.contains(&limit), "{limit}");
    }
}

#[test]
fn no_page_names_a_key_that_is_not_there() {
    let inner = LOG_KEYS.iter().chain(BACKOFF_KEYS).chain(CAPTURE_KEYS).chain(DEPENDENCY_KEYS);
    let inner = inner.chain(READY_KEYS).chain(HEALTH_KEYS).chain(MAX_RESTARTS_KEYS);
    let inner = inner.chain(MAIL_KEYS).chain(HOOK_KEYS);
    let all = TOP_KEYS.iter().chain(DAEMON_KEYS).chain(PROGRAM_KEYS).chain(inner);
    let mut known: BTreeSet<String> =
        all.flat_map(|key| [Some(key.name), key.alias]).flatten().map(str::to_owned).collect();
    for (section, keys) in [("daemon", DAEMON_KEYS), ("mail", MAIL_KEYS)] {
        known.extend(keys.iter().map(|key| format!("{section}.{}", key.name)));
    }
    known.extend(COMMANDS.iter().map(|command| command.name.to_owned()));
    let words = APPLETS.iter().map(|applet| applet.name).chain(COMMANDS.iter().map(|c| c.name));
    let words = set(words);
    for name in PAGES {
        for typed in behind(&page(name), "Ic") {
            match typed.as_slice() {
                // What is typed at a system shell.
                [program, word, ..] if program.starts_with("taskmaster") => {
                    assert!(words.contains(word.as_str()), "{name}: {typed:?}");
                }
                keys => {
                    let stray = keys.iter().find(|key| !known.contains(*key));
                    assert_eq!(stray, None, "{name}: {keys:?}");
                }
            }
        }
    }
}

#[test]
fn the_examples_of_taskmaster_yaml_5_load() {
    let blocks = literals(&page("taskmaster.yaml.5"));
    let whole = blocks.iter().filter(|block| block.contains("programs:"));
    // One that needs TLS is refused by a build without, and rightly so.
    let whole = whole.filter(|block| cfg!(feature = "tls") || !block.contains("smtps://"));
    let mut count = 0;
    for block in whole.filter(|block| !block.starts_with("taskmaster.yaml:")) {
        let config = load(block).unwrap_or_else(|problems| panic!("{problems}\n{block}"));
        assert_eq!(config.warnings.list, []);
        count += 1;
    }
    assert!(count >= 3, "{count}");
}

#[test]
fn the_sample_loads_without_a_word() {
    let sample = paper("taskmaster.yaml");
    let config = load(&sample).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.warnings.list, []);
    assert_eq!(config.daemon.listen.to_string(), default_listen());
    assert!(sample.lines().count() <= 50);
    // The settings it shows as comments are ones that it could have.
    let shown = sample.replace("# daemon:", "daemon:").replace("#   ", "  ");
    let shown = shown.lines().skip_while(|line| !line.starts_with("daemon:"));
    let shown = shown.collect::<Vec<_>>().join("\n");
    assert!(load(&shown).is_ok(), "{shown}");
    assert_ne!(shown.lines().next(), sample.lines().next());
}
