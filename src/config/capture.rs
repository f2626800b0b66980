//! Files of output: that none is rotated, or captured, while others write to it.

use super::claims::{Claim, Way, Writer, old, plain};
use super::fields::Fields;
use super::output::AUTO_KEEP;
use super::program::Programs;
use super::read::Reader;
use super::tree::Node;
use super::values::shown;
use super::{Log, LogTarget, Output, Program, Template};
use std::path::Path;

/// A file that lies where those of `auto` do.
pub(super) struct BesideAuto<'s> {
    /// Where it is said.
    at: &'s Node,
    /// Its name.
    file: String,
    /// The process whose stream it is; none: the daemon's own log.
    process: Option<String>,
}

impl<'s> Reader<'s> {
    /// The daemon's own log is one of these files.
    pub(super) fn claim_log(&mut self, log: &Log) {
        let LogTarget::File(path) = &log.target else { return };
        // It is appended to; what is never rotated others may append to as well.
        let way = match log.max_bytes {
            0 => Way::Appended,
            _ => Way::Rotated { keep: log.keep },
        };
        let path = plain(path);
        if let Some(at) = self.log_at {
            self.look_beside_auto(at, &path, None);
        }
        // It is the first: there is nobody yet to share it with.
        let claim = Claim { writer: Writer::Daemon, way };
        let _ = self.claims.add(path.to_string_lossy().into_owned(), claim);
    }

    /// Reports a file that one process, or stream, would rotate and another write to.
    pub(super) fn claim_outputs(&mut self, program: &Program, fields: &Fields<'s>) {
        let streams = [("stdout", &program.launch.stdout), ("stderr", &program.launch.stderr)];
        for (stream, output) in streams {
            let (file, way) = match output {
                Output::Captured(capture) => {
                    let keep = if capture.max_bytes == 0 { 0 } else { capture.keep };
                    (&capture.file, Way::Rotated { keep })
                }
                Output::File(file) => (file, Way::Appended),
                Output::Auto | Output::Discard | Output::Inherit | Output::Stdout => continue,
            };
            let Some(field) = fields.get(stream) else { continue };
            // One that all processes append to is looked at once.
            let is_shared = way == Way::Appended && file.as_plain().is_some();
            let indexes = if is_shared { 1 } else { program.numprocs };
            for index in 0..indexes {
                if !self.claim(program, index, stream, field.value, file, way) {
                    break;
                }
            }
        }
    }

    fn claim(
        &mut self,
        program: &Program,
        index: u32,
        stream: &'static str,
        at: &'s Node,
        file: &Template,
        way: Way,
    ) -> bool {
        let process = program.process_name(index);
        let path = plain(Path::new(&file.expand(index, &process)));
        self.look_beside_auto(at, &path, Some(&process));
        let path = path.to_string_lossy().into_owned();
        if !self.spend(at, path.len() + process.len() + size_of::<(String, Claim)>()) {
            return false;
        }
        let claim = Claim { writer: Writer::Stream { process, stream }, way };
        self.claims.add(path, claim).map_err(|why| self.report.error(at, why)).is_ok()
    }

    fn look_beside_auto(&mut self, at: &'s Node, path: &Path, process: Option<&str>) {
        let in_folder = path.strip_prefix(&self.auto_folder);
        if let Some(file) = in_folder.ok().and_then(Path::to_str) {
            let (file, process) = (file.to_owned(), process.map(str::to_owned));
            self.beside_auto.push(BesideAuto { at, file, process });
        }
    }

    /// Reports a file that is rotated for another process, or stream, that says `auto`.
    pub(super) fn check_beside_auto(&mut self, programs: &Programs) {
        for BesideAuto { at, file, process: own } in std::mem::take(&mut self.beside_auto) {
            let young = old(&file).filter(|(_, number)| *number <= AUTO_KEEP);
            let young = young.map_or(file.as_str(), |(young, _)| young);
            let ends = [(".stdout.log", "stdout"), (".stderr.log", "stderr")];
            let found =
                ends.iter().find_map(|(end, stream)| Some((young.strip_suffix(end)?, stream)));
            let Some((process, stream)) = found else { continue };
            let (program, index) = process.split_once(':').unwrap_or((process, "0"));
            let (Some(program), Ok(index)) = (programs.get(program), index.parse()) else {
                continue;
            };
            let output = match *stream {
                "stdout" => &program.launch.stdout,
                _ => &program.launch.stderr,
            };
            let is_its = index < program.numprocs && program.process_name(index) == process;
            if *output == Output::Auto && is_its {
                let path = self.auto_folder.join(&file);
                let way_out = match own.as_deref() == Some(process) {
                    true => "`stderr: stdout` sends both of its streams to one place",
                    false => "name another",
                };
                let why = format!(
                    "{} is rotated for {process}'s {stream} already, which is `auto`; {way_out}",
                    shown(&path.to_string_lossy())
                );
                self.report.error(at, why);
            }
        }
    }
}
