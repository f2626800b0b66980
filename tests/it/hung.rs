//! A file system that hangs, as one across a network does whose server is gone: what lies on it
//! waits, and the daemon does not.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use crate::bench::Bench;

/// One in a user's process, whose user never answers. None: none can be had here.
fn silent() -> Option<File> {
    let tried = Command::new("unshare").args(["--mount", "true"]).output();
    let fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    match (tried, fuse) {
        (Ok(tried), Ok(fuse)) if tried.status.success() => Some(fuse),
        _ => {
            eprintln!("skipped: nothing can be mounted here");
            None
        }
    }
}

#[test]
fn nothing_on_it_holds_up_the_daemon() {
    let Some(fuse) = silent() else { return };
    let mut bench = Bench::new("");
    std::os::unix::fs::symlink("net/bin", bench.path("link")).unwrap();
    let programs = |more: &str| {
        format!(
            "well: {{cmd: sleep 1000, starttime: 0.1}}\n\
             folder: {{cmd: sleep 1000, workingdir: net, stoptime: 0.1}}\n\
             file: {{cmd: net/run, stoptime: 0.1}}\n\
             linked: {{cmd: ./link/run, stoptime: 0.1}}\n\
             searched: {{cmd: run, env: {{PATH: 'net:/bin'}}, stoptime: 0.1}}\n{more}"
        )
    };
    bench.configure_daemon("", &programs(""));
    let mount = "mkdir net && mount -i -t fuse -o fd=0,rootmode=40000,user_id=0,group_id=0 none net \
                 && exec \"$0\" \"$@\"";
    let words = ["unshare", "--mount", "--propagation=private", "sh", "-c", mount];
    let mut command = bench.daemon_through(&words);
    command.stdin(Stdio::from(fuse));
    bench.start_as(command);
    bench.until_state("well", "RUNNING");
    for name in ["folder", "file", "linked", "searched"] {
        bench.pid_of(name);
    }
    // What is there can only be told by looking.
    bench.configure_daemon("", &programs("more: {cmd: net/more, stoptime: 0.1}"));
    let said = bench.ctl("reload");
    assert_eq!((said.status, said.out.as_str()), (0, "more: add and start\n"), "{said:?}");
    assert_eq!(bench.ctl("restart folder --no-wait").status, 0);
    assert_eq!(bench.ctl("status well").status, 0);
}
