//! What one daemon leaves to the next, read from bytes of any kind: the journal, who is disabled,
//! the state that an upgrade hands over.
//!
//! It stands in the daemon's room, of which it is a part: both the ordinary tests and the fuzz
//! targets have it there. Bytes are taken as they are, and as changes to a sample of each file: what
//! is sealed is sealed again after that, so that damage goes further than to the sum.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::disabled::text;
use super::handover::Handover;
use super::journal::Up;
use super::journal::entry::{Entry, Is};
use super::journal::past::{Left, Past};
use crate::config::{Config, Program, Signal};
use crate::mail::Outbox;
use crate::supervisor::{Base, Effect, Moment, Snapshot, Supervisor};
use crate::sys::record;

/// A journal without its sums.
const JOURNAL: &str = r#"{"boot":77}
{"logger":{"boot":77,"pid":70,"seen":4710}}
{"up":{"program":"web","index":1,"of":3,"digest":5,"retries":1,"awaits":{"ready":{"up":true}},"restarts":2,"at":1000000000,"stop":[15,false,{"secs":10,"nanos":0}],"pipes":[12,null],"boot":77,"pid":71,"seen":4711}}
{"is":{"digest":5,"seen":4711,"process":{"program":"web","index":1,"state":{"running":{"pid":71,"started":1000000007}},"since":{"secs_since_epoch":1,"nanos_since_epoch":2},"restarts":2,"last_end":[{"code":3},false],"failure":{"Launch":"x"},"failed_at":5,"restarted":[3,4]}}}
{"is":{"digest":5,"seen":4711,"process":{"program":"web","index":1,"state":{"stopping":{"pid":71,"started":1000000007,"how_far":{"asked":1000000009},"then":"stop"}},"since":null,"restarts":2,"last_end":null,"failure":null}}}
{"asked":{"program":"web","index":1,"pid":71}}
{"is":{"digest":6,"seen":4712,"process":{"program":"old","index":0,"state":{"stopping":{"pid":72,"started":3,"how_far":{"killed":4},"then":{"fail":{"retries":2}}}},"since":null,"restarts":0,"last_end":null,"failure":null}}}
{"up":{"program":"away","index":0,"of":1,"digest":5,"retries":0,"awaits":"time","restarts":0,"at":1,"stop":[15,true,{"secs":1,"nanos":0}],"pipes":[null,null],"boot":77,"pid":74,"seen":4714}}
{"is":{"digest":5,"seen":4714,"process":{"program":"away","index":0,"state":{"stopping":{"pid":74,"started":1,"how_far":{"asked":2},"then":"forget"}},"since":null,"restarts":0,"last_end":null,"failure":null}}}
{"up":{"program":"gone","index":0,"of":1,"digest":5,"retries":0,"awaits":"time","restarts":0,"at":1,"stop":[15,true,{"secs":1,"nanos":0}],"pipes":[null,null],"boot":77,"pid":73,"seen":4713}}
{"gone":{"program":"gone","index":0}}
{"is":{"digest":7,"seen":null,"process":{"program":"web","index":0,"state":{"backoff":{"until":1000000000000000005,"retries":2}},"since":null,"restarts":0,"last_end":[{"signal":9},false],"failure":null}}}
"shutdown"
"#;

/// A state without its sum.
const STATE: &str = r#"2 {"from":"0.1.0","protocol":1,"settings":{"texts":{"files":{"/etc/t.yaml":"programs: {web: {cmd: x, numprocs: 3, ready: notify}}"},"folders":{"/etc/t.d":["a.yaml"]}},"file":"/etc/t.yaml","root":true,"cwd":"/","listen":"127.0.0.1:4242","state_dir":"/s","secret_file":"/s/secret","user":null,"umask":18,"limits":{"open_files":[1024,4096],"core":[0,1]}},"secret":[104,117],"listener":5,"lock":4,"processes":[{"is":{"program":"web","index":0,"state":{"starting":{"pid":71,"started":1000000007,"retries":1,"awaits":{"ready":{"up":false}}}},"since":{"secs_since_epoch":1,"nanos_since_epoch":2},"restarts":2,"last_end":[{"code":3},false],"failure":null},"up":{"program":"web","index":0,"of":3,"digest":5,"retries":1,"awaits":"time","restarts":2,"at":1000000000,"stop":[15,false,{"secs":10,"nanos":0}],"pipes":[12,null],"boot":77,"pid":71,"seen":4711},"past":[{"at":{"secs_since_epoch":1,"nanos_since_epoch":2},"pid":70,"exit":{"code":3},"expected":false,"lasted":{"secs":1,"nanos":2}}]},{"is":{"program":"old","index":0,"state":{"stopping":{"pid":72,"started":3,"how_far":{"asked":4},"then":"forget"}},"since":null,"restarts":0,"last_end":null,"failure":null},"up":{"program":"old","index":0,"of":1,"digest":5,"retries":1,"awaits":"time","restarts":2,"at":1,"stop":[2,true,{"secs":10,"nanos":0}],"pipes":[null,13],"boot":77,"pid":72,"seen":4712}},{"is":{"program":"web","index":2,"state":{"spawning":{"from":"BACKOFF","retries":1,"asked":true}},"since":null,"restarts":0,"last_end":null,"failure":null},"up":null}],"disabled":[["web",1]],"adopted":[[9,71,4711]],"reports":[[72,10]],"probes":{"watches":[{"program":"web","index":0,"pid":71,"stage":"starting","post":[17,13,0],"line":18,"watchdog":[{"secs":5,"nanos":0},9],"own_watchdog":null,"schedule":{"next":5,"begun":4,"pause":{"secs":1,"nanos":0},"was_well":false,"failures":1,"told":"unhealthy"},"command":{"pid":75,"output":19,"report":null,"said":[104],"is_silent":false,"until":8,"limit":{"secs":5,"nanos":0},"is_over":false},"status":"s","complaint":null}],"forgotten":[76]},"strays":[99],"streams":[{"id":1,"of":["web",0,"stdout"],"pipe":12,"path":"/s/log/web:0.stdout.log","max_bytes":1048576,"keep":2,"timestamps":false,"owner":[1,2],"lost":3,"is_losing":true,"is_leaving":false}],"last_stream":12,"logger":{"known":[70,4710],"is_child":true,"channel":13},"clients":[{"stream":14,"peer":"127.0.0.1:5000","since":5,"said":[115],"untold":[123],"greeted":"00","task":{"Wait":{"goal":{"Roll":3},"pending":[["web",0,"web:0"]],"until":7,"failed":false}},"closing":false,"finished":false},{"stream":15,"peer":"p","since":5,"said":[],"untold":[],"greeted":null,"task":{"Tail":{"logs":[{"name":null,"path":"/l","file":16,"at":9}]}},"closing":false,"finished":false}],"mail":{"waiting":{"rows":[{"last":{"event":"fatal","time":"t","process":"web:0","pid":71,"end":"exit 3","expected":false,"message":"m"},"first_time":"t","count":2,"ways":[["exit 3",2]],"lately":2}],"more":{"fatal":4},"attempts":1,"span":["t","u"]},"wait":{"secs":3,"nanos":0}}}"#;

/// What stands in the place of a word or a number.
const WORDS: [&str; 22] = [
    "0",
    "1",
    "-1",
    "2",
    "9",
    "71",
    "72",
    "4294967295",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "18446744073709551615",
    "1000000000000000000",
    "null",
    "true",
    "\"web\"",
    "\"old\"",
    "[]",
    "{}",
    "\"stopped\"",
    "\"start\"",
    "",
];

thread_local! {
    /// What is configured by now.
    static CONFIG: Config = crate::inputs::example();
}

/// A text in words, numbers and what stands between them, some of them changed: three bytes say
/// which, and what it becomes.
fn altered(sample: &str, changes: &[u8]) -> String {
    let is_word = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
    let mut words: Vec<String> = Vec::new();
    let mut in_word = false;
    for letter in sample.chars() {
        match words.last_mut() {
            Some(word) if in_word && is_word(letter) => word.push(letter),
            _ => words.push(letter.into()),
        }
        in_word = is_word(letter);
    }
    for change in changes.chunks_exact(3) {
        let at = usize::from(change[0]) * 256 + usize::from(change[1]);
        let at = at % words.len();
        words[at] = match WORDS.get(usize::from(change[2])) {
            Some(word) => (*word).to_owned(),
            None => char::from(change[2]).to_string(),
        };
    }
    words.concat()
}

/// Each line with its sum, as if it had been written so.
fn sealed_lines(text: &str) -> String {
    text.lines().map(record::sealed).collect()
}

/// A journal: all that it says of a process stands in lines that are whole, and what is read and
/// written anew is read as the same.
pub fn journal(bytes: &[u8]) {
    one_journal(bytes);
    one_journal(sealed_lines(&String::from_utf8_lossy(bytes)).as_bytes());
    one_journal(sealed_lines(&altered(JOURNAL, bytes)).as_bytes());
}

fn one_journal(bytes: &[u8]) {
    let mut past = Past::read(bytes);
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let texts: Vec<Option<&str>> =
        lines.map(|line| record::unsealed(std::str::from_utf8(line).ok()?)).collect();
    assert!(past.damaged >= texts.iter().filter(|text| text.is_none()).count());
    assert!(past.damaged <= texts.len());
    let is_said = |numbers: [String; 2]| {
        let says = |text: &&str| numbers.iter().all(|number| text.contains(number.as_str()));
        texts.iter().flatten().any(says)
    };
    for ((program, index), left) in &past.processes {
        assert_eq!((program, index), (&left.process.program, &left.process.index));
        if let Some(up) = &left.up {
            assert_eq!((program, index), (&up.program, &up.index));
            assert_eq!(left.process.state.pid(), Some(up.pid));
            assert!(is_said([up.pid.to_string(), up.seen.to_string()]), "{up:?}");
        }
    }
    for logger in &past.loggers {
        assert!(is_said([logger.pid.to_string(), logger.seen.to_string()]), "{logger:?}");
    }
    // That is asked only of one that is known.
    past.processes.values_mut().for_each(|left| left.was_asked &= left.up.is_some());
    let again = Past::read(&written(&past));
    assert_eq!(again, Past { damaged: 0, ..past });
    let left = again.processes.values().map(|left| (&left.process, left.up.as_ref()));
    CONFIG.with(|config| go_on(left.collect(), config));
}

/// As the daemon writes it anew.
fn written(past: &Past) -> Vec<u8> {
    let of = |left: &Left| {
        let seen = left.up.as_ref().map(|up| up.seen);
        let is = Is { digest: left.digest, seen, process: left.process.clone() };
        Entry::all_of(left.up.clone(), is, left.was_asked).collect::<Vec<_>>()
    };
    let boot = past.boot.map(Entry::Boot).into_iter();
    let shutdown = past.was_shutting_down.then_some(Entry::Shutdown);
    let loggers = past.loggers.iter().copied().map(Entry::Logger);
    let all = boot.chain(loggers).chain(shutdown);
    let all = all.chain(past.processes.values().flat_map(of));
    Entry::lines(&all.collect::<Vec<_>>())
}

/// Who is disabled is read again as it was written.
pub fn disabled(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (disabled, bad) = text::read(text);
    assert!(disabled.len() + bad <= text.lines().count());
    assert_eq!(text::read(&text::to_text(&disabled)), (disabled, 0));
}

/// The state of an upgrade is read as it was written, or refused with a reason.
pub fn handover(bytes: &[u8]) {
    one_state(bytes);
    one_state(record::sealed(&String::from_utf8_lossy(bytes)).as_bytes());
    one_state(record::sealed(&altered(STATE, bytes)).as_bytes());
}

fn one_state(bytes: &[u8]) {
    let state = match Handover::read(bytes) {
        Ok(state) => state,
        Err(why) => return assert!(!why.is_empty()),
    };
    assert_eq!(Handover::read(state.to_text().as_bytes()).as_ref(), Ok(&state));
    let Ok(config) = state.config() else { return };
    go_on(state.processes.iter().map(|kept| (&kept.is, kept.up.as_ref())).collect(), &config);
    let mut outbox = Outbox::new(Duration::from_secs(30));
    outbox.take_up(state.mail, moment().at);
    let _ = (outbox.due(moment().at), outbox.is_done(), outbox.abandon());
}

fn moment() -> Moment {
    #[allow(clippy::disallowed_methods)] // any point in time will do
    let at = Instant::now();
    Moment { at, wall: SystemTime::UNIX_EPOCH, dice: 0.5 }
}

/// The processes go on where they were: through time, and to a shutdown. Nobody is sent a signal
/// who is not among them.
fn go_on(left: Vec<(&Snapshot, Option<&Up>)>, config: &Config) {
    let now = moment();
    let base = Base { at: now.at, nanos: 1_000_000_000_000_000_000 };
    let mut supervisor = Supervisor::new();
    let pids: Vec<i32> = left.iter().filter_map(|(is, _)| is.state.pid()).collect();
    for (is, up) in left {
        let departed = |up: &Up| {
            let (signal, group, time) = up.stop;
            let stop = (Signal(signal), group, time);
            Rc::new(Program::departed(Rc::from(&*up.program), up.of, stop, &config.daemon))
        };
        let program = config.programs.get(&*is.program).cloned().or_else(|| up.map(departed));
        let Some(program) = program else { continue };
        let id = supervisor.restore(&program, is, base, now);
        let process = supervisor.get(id).expect("it was taken up");
        assert_eq!(process.snapshot(base).restarts, is.restarts);
        assert_eq!(process.state.process().map(|(pid, _)| pid), is.state.pid());
        supervisor.ask_again(id);
    }
    supervisor.take_up_order(config);
    supervisor.look_around(now);
    for seconds in [0, 1, 100, 10_000_000] {
        let now = Moment { at: now.at + Duration::from_secs(seconds), ..now };
        supervisor.tick(now);
        perform(&mut supervisor, &pids, now);
    }
    supervisor.shut_down(Duration::from_secs(60), now);
    perform(&mut supervisor, &pids, now);
}

fn perform(supervisor: &mut Supervisor, pids: &[i32], now: Moment) {
    while let Some(effect) = supervisor.next_effect() {
        match effect {
            Effect::Spawn(id) if supervisor.wants_spawn(id, now) => {
                supervisor.spawn_failed(id, "no".to_owned(), now);
            }
            Effect::Signal { pid, .. } => assert!(pids.contains(&pid), "{pid}"),
            _ => {}
        }
    }
}

/// The samples are such files.
pub fn samples() {
    let past = Past::read(sealed_lines(&altered(JOURNAL, b"")).as_bytes());
    assert_eq!((past.damaged, past.processes.len()), (0, 4));
    let state = Handover::read(record::sealed(&altered(STATE, b"")).as_bytes()).unwrap();
    assert_eq!((state.processes.len(), state.clients.len()), (3, 2));
    state.config().unwrap();
}
