//! Captured output: its keys, and that no two processes rotate one file.

use super::fields::{self, Fields};
use super::keys::CAPTURE_KEYS;
use super::launch::Names;
use super::read::Reader;
use super::tree::Node;
use super::values::{self, boolean, shown};
use super::{Capture, Log, LogTarget, Output, Program};
use std::path::{Path, PathBuf};

impl<'s> Reader<'s> {
    /// Reads `stdout` or `stderr` where it is a map.
    pub(super) fn capture(&mut self, value: &'s Node, names: Names<'_>) -> Option<Capture> {
        let fields = fields::known(value, CAPTURE_KEYS, &mut self.report);
        let Some(file) = fields.get("file") else {
            self.report.error(value, "has no `file`, where the output is to go");
            return None;
        };
        let text = self.scalar(file.value)?;
        let path = self.expand(file.value, text, names)?;
        let mut capture = Capture::to(self.absolute(file.value, path)?);
        for (key, field) in &fields {
            match *key {
                "max_bytes" => self.set(&mut capture.max_bytes, field.value, values::size),
                "keep" => {
                    self.set(&mut capture.keep, field.value, |t| values::integer(t, 0, 1000));
                }
                "timestamps" => self.set(&mut capture.timestamps, field.value, boolean),
                _ => {}
            }
        }
        Some(capture)
    }

    /// The daemon rotates its own log, which nothing else may.
    pub(super) fn keep_from_log(&mut self, log: &Log) {
        if let LogTarget::File(path) = &log.target {
            self.rotated.insert(plain(path), "the daemon's own log".to_owned());
        }
    }

    /// Reports a file that two processes, or two streams of one, would rotate.
    pub(super) fn check_rotated(&mut self, program: &Program, fields: &Fields<'s>) {
        let streams = [("stdout", &program.launch.stdout), ("stderr", &program.launch.stderr)];
        for (stream, output) in streams {
            let (Output::Captured(capture), Some(field)) = (output, fields.get(stream)) else {
                continue;
            };
            for index in 0..program.numprocs {
                let name = program.process_name(index);
                let path = plain(Path::new(&capture.file.expand(index, &name)));
                let first = self.rotated.insert(path.clone(), format!("{name}'s {stream}"));
                if let Some(first) = first {
                    let why = format!(
                        "{} is rotated for {first} already; ${{name}} in it gives each process \
                         a file of its own",
                        shown(&path)
                    );
                    self.report.error(field.value, why);
                    break;
                }
            }
        }
    }
}

/// `./x` is `x`.
fn plain(path: &Path) -> String {
    path.components().collect::<PathBuf>().to_string_lossy().into_owned()
}
