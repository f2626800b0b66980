//! What a message says, read back by a real MIME parser.

use mail_parser::MimeHeaders as _;

use super::{FAILS, configure, messages, up};
use crate::bench::Bench;
use crate::post_office::{Manner, PostOffice, read};

#[test]
fn a_message_says_what_happened_where_when_and_why() {
    let bench = up("server: 'file:out'", FAILS);
    bench.until("a message is there", |bench| !messages(bench, "out").is_empty());
    let bytes = messages(&bench, "out").remove(0);
    let message = read(&bytes);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let short = host.split('.').next().unwrap();
    assert_eq!(message.subject().unwrap(), format!("web FATAL: exit 3; not retried [{short}]"));
    assert_eq!(message.from().unwrap().first().unwrap().address(), Some("tm@example.org"));
    assert_eq!(message.to().unwrap().first().unwrap().address(), Some("ops@example.org"));
    assert!(message.message_id().unwrap().ends_with("@example.org"));
    assert!(message.date().unwrap().is_valid());
    let kind = message.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("text", Some("plain")));
    assert_eq!(kind.attribute("charset"), Some("utf-8"));
    assert_eq!(message.header("Auto-Submitted").unwrap().as_text(), Some("auto-generated"));
    assert!(message.header("MIME-Version").is_some());
    let text = message.body_text(0).unwrap().replace("\r\n", "\n");
    for part in [
        "web is FATAL: it was given up.\n",
        "  why      exit 3; not retried\n",
        &format!("  host     {host}\n"),
        "  lately   once within the last hour\n",
        "The last lines of web on stderr:\n\n  no luck\n",
        &format!("\n-- \ntaskmaster {} on {host}\n", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
}

#[test]
fn hostile_output_and_reasons_stay_what_they_are() {
    let mut bench = Bench::new("");
    // CR LF that look like headers, NUL, 8-bit, escapes, a dot alone, and a line of 10 MB.
    let noise = "printf 'x\\r\\nBcc: evil@example.org\\r\\n\\r\\n.\\r\\nQUIT\\r\\n\\0\\377\\033[31m\\n' >&2; \
                 head -c 10485760 /dev/zero | tr '\\0' y; exit 1";
    bench.write("noise", noise);
    let office = PostOffice::open(Manner::default());
    let programs = "ünïcode: {cmd: sh noise, startretries: 0, workingdir: '${here}'}\n\
                    lost: {cmd: x, startretries: 0, workingdir: \"/no\\r\\nBcc: evil@example.org\"}";
    configure(&bench, &format!("server: 'smtp://{}', digest: 0.2", office.address), programs);
    bench.start();
    let told = || {
        office
            .delivered()
            .iter()
            .map(|d| d.read().subject().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    bench.until("both are told of", |_| told().contains("lost") && told().contains("ünïcode"));
    for letter in office.delivered() {
        let message = letter.read();
        let mut names: Vec<&str> = message.headers().iter().map(|header| header.name()).collect();
        names.sort_unstable();
        let known = [
            "Auto-Submitted",
            "Content-Transfer-Encoding",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Subject",
            "To",
        ];
        assert_eq!(names, known, "{}", String::from_utf8_lossy(&letter.bytes));
        assert_eq!(letter.to, ["ops@example.org"]);
        assert!(letter.bytes.is_ascii() && letter.bytes.len() < 20_000, "{}", letter.bytes.len());
        let text = message.body_text(0).unwrap().replace("\r\n", "\n");
        assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
        assert!(!text.contains("\nBcc") && !text.contains(['\0', '\u{1b}', '\r']), "{text}");
    }
    let all: String =
        office.delivered().iter().map(|d| d.read().body_text(0).unwrap().into_owned()).collect();
    assert!(all.contains("/no\\r\\nBcc") && all.contains("\\u{0}\u{fffd}\\u{1b}[31m"), "{all}");
    assert!(all.contains("yyyyyyyyyy") && all.contains("..."), "{all}");
}

#[test]
fn what_follows_within_the_digest_is_one_message() {
    let office = PostOffice::open(Manner::default());
    let mail = format!("server: 'smtp://{}', digest: 1h, on: [exited, stopped]", office.address);
    let mut bench = up(&mail, "a: {cmd: sleep 1000, starttime: 0, numprocs: 3}");
    bench.ctl("stop a:0");
    bench.until("the first is there", |_| office.delivered().len() == 1);
    bench.ctl("stop a:1");
    bench.ctl("stop a:2");
    bench.ctl("start a:2");
    bench.ctl("stop a:2");
    assert_eq!(office.delivered().len(), 1, "the hour is not over");
    bench.stop();
    let letters = office.delivered();
    let (first, second) = (letters[0].read(), letters[1].read());
    assert!(first.subject().unwrap().starts_with("a:0 stopped: killed by TERM ["));
    assert!(second.subject().unwrap().starts_with("a:1, a:2 stopped 3 times ["));
    let text = second.body_text(0).unwrap();
    assert!(text.starts_with("3 events, ") && text.contains("  a:2  2 times, "), "{text}");
}

#[test]
fn a_program_has_a_word_of_its_own() {
    let office = PostOffice::open(Manner::default());
    let mail = format!("server: 'smtp://{}', digest: 0", office.address);
    let quick = "cmd: 'true', starttime: 0, autorestart: never";
    let programs = format!(
        "silent: {{cmd: 'false', startretries: 0, mail: no}}\n\
         talks: {{{quick}, mail: [exited]}}\n\
         fails: {{cmd: 'false', startretries: 0}}"
    );
    let mut bench = up(&mail, &programs);
    let told = || {
        let letters = office.delivered();
        letters.iter().map(|l| l.read().body_text(0).unwrap().into_owned()).collect::<String>()
    };
    bench.until("two are told of", |_| told().contains("fails") && told().contains("talks"));
    bench.until_state("silent", "FATAL");
    bench.stop();
    assert!(!told().contains("silent"), "{}", told());
}
