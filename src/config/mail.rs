//! Reports: `mail:`, `hooks:`, and a program's own word on mail.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::fields::{self, Fields};
use super::keys::{HOOK_KEYS, MAIL_KEYS};
use super::launch::{Layer, Names};
use super::near::nearest;
use super::read::{Reader, items};
use super::server::{self, Login, Password, Server, Smtp, Tls};
use super::tree::{Node, Value};
use super::values::{self, boolean, shown};
use super::{EventName, parse_duration};

/// The `mail:` section.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// How messages leave.
    pub server: Server,
    /// The address they come from.
    pub from: String,
    /// The addresses they go to; never empty.
    pub to: Vec<String>,
    /// What they tell of.
    pub on: Occasions,
    /// What follows a message within this time goes out as one.
    pub digest: Duration,
    /// How long sending one may take.
    pub timeout: Duration,
}

/// How long a message, or a hook, may take if nothing is said.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A command that is told of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Which.
    pub on: Occasions,
    /// The words of the command; never empty.
    pub cmd: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What a program says about mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOn {
    /// As the section does; or nothing.
    Bool(bool),
    /// Of these events alone.
    Only(Occasions),
}

/// Several of them.
pub type Occasions = BTreeSet<Occasion>;

/// What there may be a report about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// An event.
    Event(EventName),
    /// `exited`, where that was not expected.
    UnexpectedExit,
}

impl Occasion {
    const UNEXPECTED_EXIT: &str = "unexpected_exit";

    /// Whether this event, and how expected an end it tells of, is what is meant.
    pub fn is(self, event: EventName, expected: Option<bool>) -> bool {
        match self {
            Self::Event(this) => this == event,
            Self::UnexpectedExit => event == EventName::Exited && expected == Some(false),
        }
    }

    /// Its name, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event(event) => event.as_str(),
            Self::UnexpectedExit => Self::UNEXPECTED_EXIT,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == Self::UNEXPECTED_EXIT {
            return Ok(Self::UnexpectedExit);
        }
        if let Some(event) = EventName::ALL.into_iter().find(|event| event.as_str() == text) {
            return Ok(Self::Event(event));
        }
        let names = || EventName::ALL.into_iter().map(EventName::as_str);
        let all = || names().chain([Self::UNEXPECTED_EXIT]);
        Err(match nearest(text, all()) {
            Some(near) => format!("there is no event {}; did you mean `{near}`?", shown(text)),
            None => {
                let all: Vec<&str> = all().collect();
                format!("there is no event {}; there are {}", shown(text), all.join(", "))
            }
        })
    }
}

impl<'s> Reader<'s> {
    /// Reads `mail:`, given the variables that may stand in its URL.
    pub(super) fn mail(&mut self, section: &'s Node, env: &Layer) -> Option<Mail> {
        let fields = fields::known(section, MAIL_KEYS, &mut self.report);
        let server = self.server(section, &fields, env);
        let from = self.required(section, &fields, "from", "the address that messages come from");
        let from = from.and_then(|node| self.value(node, address));
        let to = self.required(section, &fields, "to", "the address, or a list of them");
        let to: Vec<String> =
            to.into_iter().flat_map(items).filter_map(|item| self.value(item, address)).collect();
        let mut on = BTreeSet::from([
            Occasion::Event(EventName::Fatal),
            Occasion::UnexpectedExit,
            Occasion::Event(EventName::ReloadFailed),
        ]);
        if let Some(field) = fields.get("on") {
            on = self.occasions(field.value);
        }
        let mut digest = Duration::from_secs(30);
        if let Some(field) = fields.get("digest") {
            self.set(&mut digest, field.value, parse_duration);
        }
        let timeout = self.timeout(&fields);
        if let Some(field) = fields.get("to").filter(|field| items(field.value).is_empty()) {
            self.report.error(field.value, "names nobody");
        }
        Some(Mail { server: server?, from: from?, to, on, digest, timeout })
    }

    fn required(
        &mut self,
        section: &'s Node,
        fields: &Fields<'s>,
        key: &str,
        what: &str,
    ) -> Option<&'s Node> {
        let value = fields.get(key).map(|field| field.value);
        if value.is_none() && matches!(section.value, Value::Map(_) | Value::Null) {
            self.report.error(section, format!("has no `{key}`, {what}"));
        }
        value
    }

    fn server(&mut self, section: &'s Node, fields: &Fields<'s>, env: &Layer) -> Option<Server> {
        let node = self.required(section, fields, "server", "as smtps://mail.example.org")?;
        let text = self.scalar(node)?;
        let layers = [env];
        let names = Names::outside(&layers);
        let mut expand = |part: &str| {
            let expanded = self.expand(node, part, names)?;
            let plain = expanded.as_plain().map(str::to_owned);
            if plain.is_none() {
                let why = "belongs to no process: ${program}, ${name} and ${index} mean nothing";
                self.report.error(node, why);
            }
            plain
        };
        let server = match server::parse(text, &mut expand) {
            Ok(server) => server?,
            Err(why) => {
                self.report.error(node, why);
                return None;
            }
        };
        let here = self.here(node);
        let file = fields.get("password_file").map(|field| field.value);
        let path = file.and_then(|file| self.path(file));
        match server {
            Server::Smtp(smtp) => self.smtp(node, smtp, path).map(Server::Smtp),
            other => {
                if let Some(file) = file {
                    self.report.error(file, "goes with a server that is smtp:// or smtps://");
                }
                if let Server::Folder(path) | Server::Sendmail(path) = &other
                    && let Err(why) = values::path_as_expanded(&path.to_string_lossy())
                {
                    self.report.error(node, why);
                }
                Some(match other {
                    Server::Folder(folder) => Server::Folder(here.join(folder)),
                    Server::Sendmail(file) => Server::Sendmail(here.join(file)),
                    Server::Smtp(smtp) => Server::Smtp(smtp),
                })
            }
        }
    }

    fn smtp(&mut self, node: &'s Node, mut smtp: Smtp, file: Option<PathBuf>) -> Option<Smtp> {
        let given = smtp.login.as_ref().is_some_and(|login| match &login.password {
            Password::Text(text) => !text.reveal().is_empty(),
            Password::File(_) => true,
        });
        let wrong = match (&mut smtp.login, file) {
            (None, Some(_)) => {
                Some("password_file needs a user: put it before the host, as smtps://USER@HOST")
            }
            (Some(_), Some(_)) if given => {
                Some("holds a password, and there is a password_file too: remove one of them")
            }
            (Some(Login { password, .. }), Some(file)) => {
                *password = Password::File(file);
                None
            }
            (Some(_), None) if !given => Some(
                "names a user without a password: add password_file, or smtps://USER:${ENV}@HOST",
            ),
            (None | Some(_), None) => None,
        };
        let wrong = wrong.or_else(|| {
            (smtp.login.is_some() && smtp.tls == Tls::None && !smtp.password_in_clear).then_some(
                "would send the password unencrypted: use smtps:// or ?tls=required; if that is \
                 really meant, ?password=in-clear",
            )
        });
        let wrong = wrong.or_else(|| {
            (smtp.tls != Tls::None && !cfg!(feature = "tls")).then_some(
                "needs TLS, and this taskmaster was built without: build it with the feature \
                 `tls`, or use smtp:// without ?tls=",
            )
        });
        match wrong {
            Some(wrong) => {
                self.report.error(node, wrong);
                None
            }
            None => Some(smtp),
        }
    }

    fn timeout(&mut self, fields: &Fields<'s>) -> Duration {
        let field = fields.get("timeout");
        let time = field.and_then(|field| {
            self.value(field.value, |text| match parse_duration(text)? {
                time if time.is_zero() => Err("must be more than 0".to_owned()),
                time => Ok(time),
            })
        });
        time.unwrap_or(TIMEOUT)
    }

    fn occasions(&mut self, value: &'s Node) -> Occasions {
        items(value).iter().filter_map(|item| self.value(item, Occasion::parse)).collect()
    }

    /// Reads `hooks:`.
    pub(super) fn hooks(&mut self, section: &'s Node, env: &Layer) -> Vec<Hook> {
        if let Value::Scalar(_) | Value::Map(_) = section.value {
            self.report.error(section, "must be a list of `{on: [fatal], cmd: /path/to/it}`");
            return Vec::new();
        }
        if let Value::Null = section.value {
            return Vec::new();
        }
        items(section).iter().filter_map(|item| self.hook(item, env)).collect()
    }

    fn hook(&mut self, item: &'s Node, env: &Layer) -> Option<Hook> {
        let fields = fields::known(item, HOOK_KEYS, &mut self.report);
        let on = self.required(item, &fields, "on", "the events that it is run for");
        let on = on.map(|on| self.occasions(on));
        let node = self.required(item, &fields, "cmd", "the command to run")?;
        let timeout = self.timeout(&fields);
        let layers = [env];
        let templates = self.cmd(node, Names::outside(&layers));
        let words = templates.iter().map(|word| word.as_plain().map(str::to_owned));
        let Some(cmd) = words.collect::<Option<Vec<String>>>() else {
            let why = "belongs to no process: the one that an event tells of is in its JSON";
            self.report.error(node, why);
            return None;
        };
        (!cmd.is_empty()).then_some(Hook { on: on?, cmd, timeout })
    }

    /// Who asks for mail where there is no `mail:` is told once.
    pub(super) fn warn_of_no_mail(&mut self, main: &Fields<'s>, files: &[Fields<'s>]) {
        let programs = files.iter().filter_map(|fields| fields.get("programs"));
        let programs = programs.filter_map(|field| match &field.value.value {
            Value::Map(entries) => Some(entries.iter().map(|entry| &entry.value)),
            Value::Null | Value::Scalar(_) | Value::List(_) => None,
        });
        let defaults = main.get("defaults").map(|field| field.value);
        let mut maps = defaults.into_iter().chain(programs.flatten());
        let wants = |value: &&Node| value.text().is_none_or(|text| boolean(text) == Ok(true));
        if let Some(value) = maps.find_map(|map| map.get("mail").filter(wants)) {
            self.report.warning(value, "without a `mail:` section nothing is sent");
        }
    }

    /// Reads a program's `mail`.
    pub(super) fn mail_on(&mut self, value: &'s Node) -> Option<MailOn> {
        let Value::List(list) = &value.value else {
            let word = self.value(value, |text| {
                boolean(text).map_err(|why| format!("{why}; or a list of events"))
            });
            return word.map(MailOn::Bool);
        };
        let of_a_process = |text: &str| match Occasion::parse(text)? {
            Occasion::Event(event) if !event.is_of_a_process() => {
                Err(format!("{text} tells of the daemon, not of a program: see mail.on"))
            }
            occasion => Ok(occasion),
        };
        Some(MailOn::Only(list.iter().filter_map(|item| self.value(item, of_a_process)).collect()))
    }
}

/// An address without a name, of letters that every mail server takes.
fn address(text: &str) -> Result<String, String> {
    let fits = |letter: char| letter.is_ascii_graphic() && !"<>()[],;:\\\"".contains(letter);
    match text.split_once('@') {
        Some((user, domain))
            if (1..=64).contains(&user.len())
                && (1..=255).contains(&domain.len())
                && !domain.contains('@')
                && text.chars().all(fits) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(format!("must be an address such as ops@example.org, not {}", shown(text))),
    }
}
