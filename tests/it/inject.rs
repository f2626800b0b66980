//! strace(1) as the one that makes system calls fail, or take long, in a process that runs.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::bench::{status_of, until};

/// Faults of one process, for as long as this lives.
pub struct Fault(Child);

impl Fault {
    /// Of calls that concern this file alone, if it is given. None where they cannot be had.
    pub fn of(pid: i32, file: Option<&Path>, inject: &str) -> Option<Self> {
        let mut strace = Command::new("strace");
        strace.stderr(Stdio::null());
        strace.args(["-o", "/dev/null", "-e", &format!("inject={inject}")]);
        if let Some(file) = file {
            strace.arg("-P").arg(file);
        }
        let Ok(child) = strace.args(["-p", &pid.to_string()]).spawn() else {
            eprintln!("skipped: strace is not here");
            return None;
        };
        let mut fault = Self(child);
        let mut is_over = false;
        until("it is traced or may not be", || {
            is_over = fault.0.try_wait().unwrap().is_some();
            is_over || status_of(pid, "TracerPid") != "0"
        });
        if is_over {
            eprintln!("skipped: strace may not trace");
        }
        (!is_over).then_some(fault)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
