//! Supervisor 4, where `supervisord` and `supervisorctl` are on PATH.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Program, Requests, Supervisor};
use crate::doing::{Doing, Result};

/// Configured to be as fast as it can be.
pub(crate) struct Supervisord {
    bin: PathBuf,
}

impl Supervisord {
    /// The one on PATH, if there is one.
    pub(crate) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let mut folders = std::env::split_paths(&path);
        let bin = folders.find(|folder| folder.join("supervisord").is_file())?;
        Some(Self { bin })
    }

    fn ask(&self, folder: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join("supervisorctl"));
        command.args(["-c", "supervisord.conf"]).args(words).current_dir(folder);
        command
    }
}

impl Supervisor for Supervisord {
    fn name(&self) -> &'static str {
        "supervisord"
    }

    fn configure(&self, folder: &Path, programs: &[Program]) -> Result<()> {
        let here = folder.display();
        let mut text = format!(
            "[unix_http_server]\nfile={here}/socket\n\
             [supervisord]\nlogfile={here}/supervisord.log\npidfile={here}/pid\nnodaemon=true\nchildlogdir={here}\n\
             [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = \
             supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl=unix://{here}/socket\n"
        );
        for Program { name, command, captured, .. } in programs {
            let output = match captured {
                true => format!(
                    "stdout_logfile={here}/{name}.log\nstdout_logfile_maxbytes=10MB\nstdout_logfile_backups=10"
                ),
                false => "stdout_logfile=NONE".to_owned(),
            };
            let command = command.join(" ");
            let _ = writeln!(
                text,
                "[program:{name}]\ncommand={command}\nautorestart=true\nstartsecs=0\n\
                 startretries=100000000\n{output}\nstderr_logfile=NONE"
            );
        }
        fs::write(folder.join("supervisord.conf"), text).doing("writing supervisord.conf")
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(self.bin.join("supervisord"));
        command.args(["-c", "supervisord.conf"]).current_dir(folder);
        command
    }

    fn status(&self, folder: &Path, name: Option<&str>) -> Option<Command> {
        let mut command = self.ask(folder, &["status"]);
        command.args(name);
        Some(command)
    }

    fn reload(&self, folder: &Path) -> Option<Command> {
        Some(self.ask(folder, &["update"]))
    }

    fn connect(&self, folder: &Path, name: &str) -> Option<Result<Box<dyn Requests>>> {
        let body = format!(
            "<?xml version='1.0'?><methodCall><methodName>supervisor.getProcessInfo</methodName>\
             <params><param><value><string>{name}</string></value></param></params></methodCall>"
        );
        let request = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nContent-Type: text/xml\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let stream = UnixStream::connect(folder.join("socket")).doing("connecting to supervisord");
        Some(stream.map(|stream| Box::new(Rpc { stream, request }) as Box<dyn Requests>))
    }

    fn most(&self) -> u64 {
        1000
    }
}

/// XML-RPC over a kept connection.
struct Rpc {
    stream: UnixStream,
    request: String,
}

impl Requests for Rpc {
    fn ask(&mut self) -> Result<usize> {
        self.stream.write_all(self.request.as_bytes()).doing("asking supervisord")?;
        let (mut text, mut buffer) = (String::new(), [0; 1 << 16]);
        while !text.contains("</methodResponse>") {
            match self.stream.read(&mut buffer).doing("reading supervisord's answer")? {
                0 => return Err("supervisord has hung up".to_owned()),
                count => text += &String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()),
            }
        }
        Ok(text.len())
    }

    fn request_length(&self) -> usize {
        self.request.len()
    }
}
