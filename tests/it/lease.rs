//! A file that takes as long to open, and so to execute, as somebody likes: whoever opens one that
//! another has a lease on waits until that is given up.

use std::io::Read;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::bench::Bench;

/// A lease on a file, for as long as this lives.
pub struct Lease(Child, Option<ChildStdin>);

impl Lease {
    /// On this file of the folder.
    pub fn on(bench: &Bench, name: &str) -> Self {
        let mut holder = Command::new("python3");
        holder.current_dir(bench.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).args([
            "-c",
            "import fcntl, signal, sys\n\
             signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
             file = open(sys.argv[1])\n\
             fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
             print('held', flush=True)\n\
             sys.stdin.read()",
            name,
        ]);
        let mut holder = holder.spawn().unwrap();
        holder.stdout.take().unwrap().read_exact(&mut [0; 5]).unwrap();
        let hold = holder.stdin.take();
        Self(holder, hold)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.1.take());
        let _ = self.0.wait();
    }
}
