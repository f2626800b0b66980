//! Captured output: that no two processes rotate one file.

use super::fields::Fields;
use super::program::Programs;
use super::read::Reader;
use super::rotated::{old, plain};
use super::values::shown;
use super::{AUTO_KEEP, Log, LogTarget, Output, Program};
use std::path::Path;

impl<'s> Reader<'s> {
    /// The daemon rotates its own log, which nothing else may.
    pub(super) fn keep_from_log(&mut self, log: &Log) {
        if let LogTarget::File(path) = &log.target {
            let keep = old_files(log.max_bytes, log.keep);
            let path = plain(path);
            // It is the first: there is nobody yet to share it with.
            let _ =
                self.rotated.claim(&path.to_string_lossy(), keep, "the daemon's own log".into());
        }
    }

    /// Reports a file that two processes, or two streams of one, would rotate.
    pub(super) fn check_rotated(&mut self, program: &Program, fields: &Fields<'s>) {
        let streams = [("stdout", &program.launch.stdout), ("stderr", &program.launch.stderr)];
        for (stream, output) in streams {
            let (Output::Captured(capture), Some(field)) = (output, fields.get(stream)) else {
                continue;
            };
            let keep = old_files(capture.max_bytes, capture.keep);
            for index in 0..program.numprocs {
                let name = program.process_name(index);
                let path = plain(Path::new(&capture.file.expand(index, &name)));
                let in_folder = path.strip_prefix(&self.auto_folder);
                if let Some(file) = in_folder.ok().and_then(Path::to_str) {
                    self.beside_auto.push((field.value, file.to_owned()));
                }
                let whose = format!("{name}'s {stream}");
                if let Err(why) = self.rotated.claim(&path.to_string_lossy(), keep, whose) {
                    self.report.error(field.value, why);
                    break;
                }
            }
        }
    }

    /// Reports a file that is rotated for another process, or stream, that says `auto`.
    pub(super) fn check_beside_auto(&mut self, programs: &Programs) {
        for (value, file) in std::mem::take(&mut self.beside_auto) {
            let young = old(&file).filter(|(_, number)| *number <= AUTO_KEEP);
            let young = young.map_or(file.as_str(), |(young, _)| young);
            let ends = [(".stdout.log", "stdout"), (".stderr.log", "stderr")];
            let found =
                ends.iter().find_map(|(end, stream)| Some((young.strip_suffix(end)?, stream)));
            let Some((process, stream)) = found else { continue };
            let program = process.split_once(':').map_or(process, |(program, _)| program);
            let Some(program) = programs.get(program) else { continue };
            let output = match *stream {
                "stdout" => &program.launch.stdout,
                _ => &program.launch.stderr,
            };
            let is_its = |index| program.process_name(index) == process;
            if *output == Output::Auto && (0..program.numprocs).any(is_its) {
                let path = self.auto_folder.join(&file);
                let why = format!(
                    "{} is rotated for {process}'s {stream} already, which is `auto`",
                    shown(&path.to_string_lossy())
                );
                self.report.error(value, why);
            }
        }
    }
}

/// How many old files there may be.
fn old_files(max_bytes: u64, keep: u32) -> u32 {
    if max_bytes == 0 { 0 } else { keep }
}
