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

/// A process that traces others, for as long as this lives: until then even SIGKILL does not have them
/// reaped.
pub struct Tracer(Child, Option<ChildStdin>);

impl Tracer {
    /// Of this process. None: the system does not let us.
    pub fn of(pid: i32) -> Option<Self> {
        let mut tracer = Command::new("python3");
        tracer.stdin(Stdio::piped()).stdout(Stdio::piped()).args([
            "-c",
            "import ctypes, sys\n\
             seize, pid = 0x4206, int(sys.argv[1])\n\
             none = ctypes.c_void_p(0)\n\
             said = ctypes.CDLL(None).ptrace(seize, pid, none, none)\n\
             print('yes' if said == 0 else 'no!', flush=True)\n\
             sys.stdin.read()",
            &pid.to_string(),
        ]);
        let mut tracer = tracer.spawn().unwrap();
        let mut said = [0; 4];
        tracer.stdout.take().unwrap().read_exact(&mut said).unwrap();
        let hold = tracer.stdin.take();
        let tracer = Self(tracer, hold);
        (said == *b"yes\n").then_some(tracer)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        drop(self.1.take());
        let _ = self.0.wait();
    }
}
