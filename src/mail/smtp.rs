//! A message by SMTP, command by command: so that each step is told, and an address that the
//! server refuses keeps it from none of the others.

use std::error::Error as _;
use std::io;
use std::iter;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Auth, Data, Mail, Quit, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;

use super::letter::Letter;
use super::send::Steps;
use super::tls;
use crate::config::{Login, Password, Smtp, Tls};
use crate::sys::{cause, files};

/// The most that a password file may hold, in bytes.
const PASSWORD_LIMIT: u64 = 4096;

/// How long a farewell may take: the message has been accepted, and nothing depends on it.
const FAREWELL: Duration = Duration::from_millis(100);

/// Sends it. True: every recipient was accepted.
///
/// # Errors
/// Why the step that was told last failed.
pub(super) fn send(
    smtp: &Smtp,
    letter: &Letter,
    host: &str,
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<bool, String> {
    let password = smtp.login.as_ref().map(|login| password(login, steps)).transpose()?;
    let mut connection = connect(smtp, host, timeout, steps)?;
    if let (Some(login), Some(password)) = (&smtp.login, password) {
        log_in(&mut connection, smtp, login, password, steps)?;
    }
    let accepted = hand_over(&mut connection, letter, steps)?;
    let _ = connection.set_timeout(Some(FAREWELL));
    let _ = connection.command(Quit);
    Ok(accepted)
}

fn password(login: &Login, steps: &mut Steps<'_>) -> Result<String, String> {
    let path = match &login.password {
        Password::Text(text) => return Ok(text.reveal().to_owned()),
        Password::File(path) => path,
    };
    steps.begin(&format!("reading the password from {}", path.display()));
    let file = files::open_own(path).map_err(|error| cause(&error))?;
    if let Some(why) = files::exposed(&file, path) {
        return Err(why);
    }
    let bytes = files::read_all(file, PASSWORD_LIMIT).map_err(|error| cause(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() {
        return Err("its first line is empty".to_owned());
    }
    steps.end("done");
    Ok(first.to_owned())
}

fn connect(
    smtp: &Smtp,
    host: &str,
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<SmtpConnection, String> {
    let hello = hello(host);
    let tls = match smtp.tls {
        Tls::None => None,
        Tls::Implicit | Tls::Required | Tls::Opportunistic => {
            steps.begin("reading the certificates that this machine trusts");
            let parameters = tls::parameters(&smtp.host)?;
            steps.end("done");
            Some(parameters)
        }
    };
    let implicit = tls.as_ref().filter(|_| smtp.tls == Tls::Implicit);
    let addresses = resolve(smtp, steps)?;
    // One that does not answer must not take the time of the others.
    let patience =
        (addresses.len() > 1).then(|| timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX));
    let (how, last) = (if implicit.is_some() { " with TLS" } else { "" }, addresses.len());
    let mut connected = None;
    for (address, number) in addresses.into_iter().zip(1..) {
        steps.begin(&format!("connecting to {address}{how}"));
        match tls::connect(address, patience, &hello, implicit) {
            Ok(connection) => {
                connected = Some(connection);
                break;
            }
            Err(error) if number == last => return Err(words(&error)),
            Err(error) => steps.end(&words(&error)),
        }
    }
    let Some(mut connection) = connected else { return Err("it has no address".to_owned()) };
    connection.set_timeout(None).map_err(|error| cause(&error))?;
    steps.end(&format!("it is {}", connection.server_info().name()));
    let wanted = match smtp.tls {
        Tls::Implicit | Tls::None => false,
        Tls::Required => true,
        Tls::Opportunistic => connection.can_starttls(),
    };
    if let Some(parameters) = tls.as_ref().filter(|_| wanted) {
        steps.begin("encrypting the connection");
        if !connection.can_starttls() {
            return Err("the server offers no STARTTLS".to_owned());
        }
        tls::start(&mut connection, parameters, &hello).map_err(|error| words(&error))?;
        steps.end("done");
    }
    Ok(connection)
}

/// The name that a server is greeted with: of letters that it must take.
fn hello(host: &str) -> ClientId {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || ".-".contains(letter);
    let is_name = !host.is_empty() && host.chars().all(fits);
    if is_name { ClientId::Domain(host.to_owned()) } else { ClientId::default() }
}

fn resolve(smtp: &Smtp, steps: &mut Steps<'_>) -> Result<Vec<SocketAddr>, String> {
    steps.begin(&format!("looking up {}", smtp.host));
    let found = (smtp.host.as_str(), smtp.port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|error| error.to_string())?.collect();
    let mut names: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
    names.dedup();
    steps.end(&names.join(", "));
    Ok(found)
}

fn log_in(
    connection: &mut SmtpConnection,
    smtp: &Smtp,
    login: &Login,
    password: String,
    steps: &mut Steps<'_>,
) -> Result<(), String> {
    steps.begin(&format!("logging in as {}", login.user));
    if !connection.is_encrypted() && !smtp.password_in_clear {
        return Err("the connection is not encrypted: the password is not sent".to_owned());
    }
    let methods = [Mechanism::Plain, Mechanism::Login];
    if connection.server_info().get_auth_mechanism(&methods).is_none() {
        return Err("the server asks for no password, or in no way that is known here".to_owned());
    }
    let credentials = Credentials::new(login.user.clone(), password.clone());
    // A server may say in its answers what it was told.
    steps.hide(iter::once(password).chain(proofs(&credentials)).collect());
    let answer = connection.auth(&methods, &credentials).map_err(|error| words(&error))?;
    steps.end(&reply(&answer));
    Ok(())
}

/// What the password crosses the network as: Base64 of it, and of user and password together.
fn proofs(credentials: &Credentials) -> impl Iterator<Item = String> {
    let plain = Auth::new(Mechanism::Plain, credentials.clone(), None);
    let login = Auth::new(Mechanism::Login, credentials.clone(), Some("Password:".to_owned()));
    let lines = [plain, login].into_iter().flatten().map(|command| command.to_string());
    lines.filter_map(|line| line.split_whitespace().last().map(str::to_owned))
}

/// MAIL, RCPT and DATA. True: every recipient was accepted.
fn hand_over(
    connection: &mut SmtpConnection,
    letter: &Letter,
    steps: &mut Steps<'_>,
) -> Result<bool, String> {
    steps.begin(&format!("sending from {}", letter.from));
    let from = Mail::new(Some(letter.from.clone()), Vec::new());
    let answer = connection.command(from).map_err(|error| words(&error))?;
    steps.end(&reply(&answer));
    let mut refused = Vec::new();
    for to in &letter.to {
        steps.begin(&format!("sending to {to}"));
        match connection.command(Rcpt::new(to.clone(), Vec::new())) {
            Ok(answer) => steps.end(&reply(&answer)),
            // Without an answer there is no going on.
            Err(error) if error.status().is_none() => return Err(words(&error)),
            Err(error) => {
                let why = words(&error);
                steps.end(&why);
                refused.push(format!("{to}: {why}"));
            }
        }
    }
    if refused.len() == letter.to.len() {
        steps.begin("sending the message");
        return Err(format!("nobody may have it: {}", refused.join("; ")));
    }
    steps.begin("sending the message");
    connection.command(Data).map_err(|error| words(&error))?;
    let answer = connection.message(&letter.bytes).map_err(|error| words(&error))?;
    steps.end(&reply(&answer));
    if !refused.is_empty() {
        steps.begin("not everybody gets it");
        steps.end(&refused.join("; "));
    }
    Ok(refused.is_empty())
}

/// What a server says, with its number.
fn reply(response: &Response) -> String {
    let words: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), words.join(" ")).trim_end().to_owned()
}

/// Why a command failed: the server's own words where it said any.
pub(super) fn words(error: &Error) -> String {
    let source = error.source();
    let told = source.map_or_else(|| error.to_string(), ToString::to_string);
    if let Some(code) = error.status() {
        return format!("{code} {told}");
    }
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(io) if io.kind() == io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        Some(io) => cause(io),
        None => told,
    }
}
