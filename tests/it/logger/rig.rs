//! What every test of the logger stands on: a folder, the process, its socket and its pipes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::bench::{taskmaster, until};
use channel::Channel;

#[path = "../../../src/sys/channel.rs"]
mod channel;

/// A logger, and all that its daemon would hold.
pub struct Rig {
    folder: tempfile::TempDir,
    logger: Child,
    line: Option<Channel>,
    streams: BTreeMap<u64, (Value, PipeReader, PipeWriter)>,
    reports: Vec<Value>,
}

fn start() -> (Child, Channel) {
    let (ours, its) = Channel::pair().unwrap();
    let mut command = taskmaster();
    command.arg("logger").env("TZ", "Europe/Paris").stdin(Stdio::from(OwnedFd::from(its)));
    (command.spawn().unwrap(), ours)
}

impl Rig {
    /// A logger that is up and has nothing to do.
    pub fn up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (logger, line) = start();
        let (streams, reports) = (BTreeMap::new(), Vec::new());
        let mut rig = Self { folder, logger, line: Some(line), streams, reports };
        // To the one order that is answered, whatever it is about.
        rig.order(json!({"clear": {"id": 0}}));
        rig.until_report("cleared");
        rig
    }

    /// Where everything of this test lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn pid(&self) -> i32 {
        self.logger.id() as i32
    }

    /// Captures to the file `NAME`; `more` is what differs from no rotation and no stamps. What
    /// comes back is what a program would write to.
    pub fn capture(&mut self, id: u64, name: &str, more: Value) -> PipeWriter {
        let (read, write) = std::io::pipe().unwrap();
        let stream = self.stream(id, name, more);
        self.streams.insert(id, (stream, read, write.try_clone().unwrap()));
        self.add(id);
        write
    }

    fn stream(&self, id: u64, name: &str, more: Value) -> Value {
        let mut stream = json!({"id": id, "path": self.path(name), "max_bytes": 0, "keep": 2,
            "timestamps": false, "owner": null});
        let more = more.as_object().unwrap().clone();
        stream.as_object_mut().unwrap().extend(more);
        stream
    }

    fn add(&mut self, id: u64) {
        let (stream, pipe, _) = &self.streams[&id];
        let order = json!({ "add": stream }).to_string();
        let pipe = pipe.try_clone().unwrap();
        self.send(&order, Some(&pipe));
    }

    fn send(&mut self, order: &str, pipe: Option<&PipeReader>) {
        until("room in the socket", || {
            let sent = self.line.as_ref().unwrap().send(order.as_bytes(), pipe.map(|p| p.as_fd()));
            match sent {
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                sent => sent.map(|()| true).unwrap(),
            }
        });
    }

    /// Has it take the place of another, which has ended as soon as what comes back is dropped.
    pub fn await_another(&mut self) -> PipeWriter {
        let (its_end, lives) = std::io::pipe().unwrap();
        self.send("\"await\"", Some(&its_end));
        lives
    }

    /// Gives an order without a descriptor.
    pub fn order(&mut self, order: Value) {
        self.send(&order.to_string(), None);
    }

    /// From the next byte on, a stream is to be so.
    pub fn change(&mut self, id: u64, name: &str, more: Value) {
        let stream = self.stream(id, name, more);
        self.streams.get_mut(&id).unwrap().0 = stream.clone();
        self.order(json!({ "change": stream }));
    }

    /// Kills it with SIGKILL, and starts another with the same pipes.
    pub fn kill(&mut self) {
        self.logger.kill().unwrap();
        self.logger.wait().unwrap();
        let (logger, line) = start();
        (self.logger, self.line) = (logger, Some(line));
        for id in self.streams.keys().copied().collect::<Vec<_>>() {
            self.add(id);
        }
    }

    /// All reports so far.
    pub fn reports(&mut self) -> &[Value] {
        let mut buffer = vec![0; 64 * 1024];
        while let Some(line) = &self.line
            && let Ok((len @ 1.., _)) = line.recv(&mut buffer)
        {
            self.reports.push(serde_json::from_slice(&buffer[..len]).unwrap());
        }
        &self.reports
    }

    /// Waits for a report of this kind, and takes it out.
    pub fn until_report(&mut self, kind: &str) -> Value {
        let mut found = None;
        until(&format!("a report: {kind}"), || {
            let place = self.reports().iter().position(|report| report.get(kind).is_some());
            found = place.map(|place| self.reports.remove(place)[kind].take());
            found.is_some()
        });
        found.unwrap()
    }

    /// How many bytes of a stream were told as lost so far.
    pub fn lost(&mut self, id: u64) -> u64 {
        let of_it = |report: &Value| {
            let lost = report.get("lost").filter(|lost| lost["id"] == id)?;
            lost["bytes"].as_u64()
        };
        self.reports().iter().filter_map(of_it).sum()
    }

    /// How many descriptors the logger has open.
    pub fn open(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// The daemon goes: the logger moves what there is, and ends. Its exit status.
    pub fn end(&mut self) -> i32 {
        self.line = None;
        self.logger.wait().unwrap().code().unwrap_or(-1)
    }

    /// All that was logged, oldest first, file by file; once the logger has ended.
    pub fn logged(&mut self, name: &str) -> Vec<Vec<u8>> {
        assert_eq!(self.end(), 0);
        files(&self.path(name))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.logger.kill();
        let _ = self.logger.wait();
    }
}

/// A log's files, oldest first.
pub fn files(path: &Path) -> Vec<Vec<u8>> {
    let numbered = |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
    let old = (1..).map(numbered).take_while(|path| path.exists());
    let mut all: Vec<_> = std::iter::once(path.to_owned()).chain(old).collect();
    all.reverse();
    all.iter().map(|path| fs::read(path).unwrap_or_default()).collect()
}

/// How much a log holds.
pub fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}

/// Numbers without a pattern, always the same.
pub struct Dice(pub u64);

impl Dice {
    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// About so many bytes of numbered lines of all lengths.
pub fn lines(bytes: usize) -> Vec<u8> {
    let (mut text, mut dice) = (Vec::with_capacity(bytes + 1024), Dice(bytes as u64));
    for number in 0.. {
        let most = if dice.below(100) == 0 { 1000 } else { 120 };
        let len = dice.below(most) as usize;
        writeln!(text, "{number} {}", "abcdefghijklmnopqrstuvwxyz".repeat(39).split_at(len).0)
            .unwrap();
        if text.len() >= bytes {
            break;
        }
    }
    text
}

/// Writes this in chunks of all sizes, as a program does that knows nothing of lines.
pub fn flood(mut pipe: PipeWriter, text: Vec<u8>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut rest, mut dice) = (&text[..], Dice(1));
        while !rest.is_empty() {
            let most = [10, 1000, 10_000, 200_000][dice.below(4) as usize];
            let (chunk, more) = rest.split_at(rest.len().min(1 + dice.below(most) as usize));
            pipe.write_all(chunk).unwrap();
            rest = more;
        }
    })
}

/// That both are the same; if not, says where they part.
pub fn assert_same(found: &[u8], wanted: &[u8]) {
    let at = found.iter().zip(wanted).position(|(a, b)| a != b).unwrap_or(found.len());
    let near = |text: &[u8]| {
        let part = &text[at.saturating_sub(80).min(text.len())..(at + 80).min(text.len())];
        String::from_utf8_lossy(part).into_owned()
    };
    assert!(
        found == wanted,
        "{} bytes, not {}; at {at}:\n{}\ninstead of\n{}",
        found.len(),
        wanted.len(),
        near(found),
        near(wanted)
    );
}
