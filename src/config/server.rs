//! `mail.server`: the URL that says how messages leave, taken apart.
//!
//! It may hold a password, so no error here quotes any of it but scheme, host and options.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values::shown;

/// How messages leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Server {
    /// By SMTP.
    Smtp(Smtp),
    /// Through this program, as sendmail(8) takes them.
    Sendmail(PathBuf),
    /// Into this folder, a file each: to try it out.
    Folder(PathBuf),
}

/// A server that speaks SMTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smtp {
    /// Its name or address; the one that its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the traffic is encrypted.
    pub tls: Tls,
    /// Who to be, where it wants to know.
    pub login: Option<Login>,
    /// Asked for in so many words: the password may cross the network without TLS.
    pub password_in_clear: bool,
}

/// Whether traffic is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tls {
    /// From the first byte.
    Implicit,
    /// By STARTTLS; a server that cannot gets no message.
    Required,
    /// By STARTTLS if the server can.
    Opportunistic,
    /// No.
    None,
}

/// Credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Password,
}

/// A password, or where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Password {
    /// Itself.
    Text(Secret),
    /// The first line of this file, read by who sends each time.
    File(PathBuf),
}

/// What nobody may see: it has no Display, and its Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for who must know it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What to do with the texts between the marks of a URL: expansion, mostly.
pub(super) type Expand<'e> = dyn FnMut(&str) -> Option<String> + 'e;

const FORMS: &str = "smtps://HOST, smtp://HOST, smtp://HOST?tls=required, sendmail: or file:DIR";

/// Takes a URL apart. None: what is wrong has been told by `expand`.
///
/// Values that `expand` fills in are taken as they are; what is written is percent-decoded.
pub(super) fn parse(text: &str, expand: &mut Expand<'_>) -> Result<Option<Server>, String> {
    if text.starts_with("${") {
        // Nothing but the environment knows the URL, and it expands nothing in turn.
        let Some(whole) = expand(text) else { return Ok(None) };
        return parts(&whole, &mut |part| Some(part.to_owned()));
    }
    parts(text, expand)
}

fn parts(text: &str, expand: &mut Expand<'_>) -> Result<Option<Server>, String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(format!("must be a URL such as {FORMS}"));
    };
    match scheme {
        "smtp" | "smtps" => match rest.strip_prefix("//") {
            Some(rest) => smtp(scheme, rest, expand),
            None => Err(format!("two slashes follow the colon: {scheme}://HOST")),
        },
        "sendmail" if rest.is_empty() => Ok(Some(Server::Sendmail("/usr/sbin/sendmail".into()))),
        "sendmail" => Ok(expand(rest).map(|path| Server::Sendmail(path.into()))),
        "file" => {
            let folder = rest.strip_prefix("//").filter(|path| path.starts_with('/'));
            let Some(folder) = expand(folder.unwrap_or(rest)) else { return Ok(None) };
            if folder.is_empty() {
                return Err("a folder follows, as file:mail".to_owned());
            }
            Ok(Some(Server::Folder(folder.into())))
        }
        _ => Err(format!("must begin with smtp, smtps, sendmail or file, as {FORMS}")),
    }
}

fn smtp(scheme: &str, rest: &str, expand: &mut Expand<'_>) -> Result<Option<Server>, String> {
    // A host has no `@`, so that the last one ends the credentials, whatever is in them.
    let (credentials, place) = match rest.rsplit_once('@') {
        Some((credentials, place)) => (Some(credentials), place),
        None => (None, rest),
    };
    let (place, query) = place.split_once('?').unwrap_or((place, ""));
    let Some(place) = expand(place.strip_suffix('/').unwrap_or(place)) else { return Ok(None) };
    let (host, port) = host_and_port(&place)?;
    let options = Options::read(scheme, query)?;
    let login = match credentials.map(|text| login(text, expand)) {
        None => None,
        Some(Ok(login)) => Some(login),
        Some(Err(why)) => return why.map_or(Ok(None), Err),
    };
    let default = match options.tls {
        Tls::Implicit => 465,
        Tls::Required | Tls::Opportunistic => 587,
        Tls::None => 25,
    };
    Ok(Some(Server::Smtp(Smtp {
        host,
        port: port.unwrap_or(default),
        tls: options.tls,
        login,
        password_in_clear: options.in_clear,
    })))
}

/// What stands behind the question mark.
struct Options {
    tls: Tls,
    in_clear: bool,
}

impl Options {
    fn read(scheme: &str, query: &str) -> Result<Self, String> {
        let implicit = scheme == "smtps";
        let tls = if implicit { Tls::Implicit } else { Tls::None };
        let mut options = Self { tls, in_clear: false };
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option {
                "tls=required" | "tls=opportunistic" if implicit => {
                    return Err("smtps is TLS from the first byte: leave out ?tls=".to_owned());
                }
                "tls=required" => options.tls = Tls::Required,
                "tls=opportunistic" => options.tls = Tls::Opportunistic,
                "password=in-clear" if !implicit => options.in_clear = true,
                _ => {
                    return Err(
                        "behind the `?` stand tls=required, tls=opportunistic or, for a password \
                         that may cross the network unencrypted, password=in-clear"
                            .to_owned(),
                    );
                }
            }
        }
        Ok(options)
    }
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match place.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, rest))) => (host, rest.strip_prefix(':')),
        Some(None) => return Err("lacks the `]` behind the address".to_owned()),
        None => match place.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || ".-_:".contains(letter);
    let bracketed = place.starts_with('[');
    if host.is_empty() {
        return Err("names no host".to_owned());
    }
    if !host.chars().all(fits) || host.contains(':') != bracketed {
        return Err(format!(
            "the host must be a name, an address, or an IPv6 address in brackets, not {}",
            shown(host)
        ));
    }
    let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0));
    match port {
        Some(None) => Err("the port must be 1 to 65535".to_owned()),
        Some(port) => Ok((host.to_owned(), port)),
        None => Ok((host.to_owned(), None)),
    }
}

/// An error without a reason has been told already.
fn login(text: &str, expand: &mut Expand<'_>) -> Result<Login, Option<String>> {
    let (user, password) = split_outside_braces(text);
    let mut part = |text: &str| {
        if text.contains("${") { expand(text).ok_or(None) } else { decoded(text).map_err(Some) }
    };
    let user = part(user)?;
    if user.is_empty() {
        return Err(Some("names no user before the password".to_owned()));
    }
    let password = part(password.unwrap_or_default())?;
    Ok(Login { user, password: Password::Text(Secret::new(password)) })
}

/// The two sides of the first colon that stands in no `${...}`.
fn split_outside_braces(text: &str) -> (&str, Option<&str>) {
    let mut open = 0_usize;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if before == '$' => open += 1,
            '}' => open = open.saturating_sub(1),
            ':' if open == 0 => {
                let (user, password) = text.split_at(at);
                return (user, password.get(1..));
            }
            _ => {}
        }
        before = letter;
    }
    (text, None)
}

/// `%40` is `@`, and so on.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || {
        "a `%` in the user or password is written %25: two hexadecimal digits follow it".to_owned()
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(wrong)?);
        rest = after.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<Server>, String> {
        parse(text, &mut |part| {
            Some(
                part.replace("${PW}", "p@s/s:%41")
                    .replace("${URL}", "smtp://a%40b:c@h?tls=required"),
            )
        })
    }

    fn told(text: &str) -> String {
        let Ok(Some(Server::Smtp(smtp))) = parsed(text) else {
            panic!("{text}: {:?}", parsed(text))
        };
        let login = smtp.login.map(|login| match login.password {
            Password::Text(password) => format!("{}:{}@", login.user, password.reveal()),
            Password::File(_) => panic!(),
        });
        format!("{}{}:{} {:?}", login.unwrap_or_default(), smtp.host, smtp.port, smtp.tls)
    }

    #[test]
    fn urls_of_servers_are_taken_apart() {
        for (url, meant) in [
            ("smtp://h", "h:25 None"),
            ("smtp://h:2525/", "h:2525 None"),
            ("smtps://mail.example.org", "mail.example.org:465 Implicit"),
            ("smtp://h?tls=required", "h:587 Required"),
            ("smtp://h:25/?tls=opportunistic", "h:25 Opportunistic"),
            ("smtps://[::1]:1", "::1:1 Implicit"),
            ("smtps://me@h", "me:@h:465 Implicit"),
            ("smtps://me%40x:a%3Ab%25@h", "me@x:a:b%@h:465 Implicit"),
            ("smtps://me:a/b?c@d@h", "me:a/b?c@d@h:465 Implicit"),
            ("smtps://me:${PW}@h", "me:p@s/s:%41@h:465 Implicit"),
            ("${URL}", "a@b:c@h:587 Required"),
        ] {
            assert_eq!(told(url), meant, "{url}");
        }
    }

    #[test]
    fn what_is_no_server_is_told_without_the_password() {
        for (url, why) in [
            ("mail.example.org", "must be a URL such as smtps://HOST"),
            ("http://me:hunter2@h", "must begin with smtp, smtps, sendmail or file"),
            ("smtp:h", "two slashes follow the colon: smtp://HOST"),
            ("smtp://me:hunter2@", "names no host"),
            ("smtp://me:hunter2@h:x", "the port must be 1 to 65535"),
            ("smtp://:hunter2@h", "names no user before the password"),
            ("smtp://me:hunter2%@h", "a `%` in the user or password is written %25"),
            ("smtp://me:hunter2@h?tls=maybe", "behind the `?` stand tls=required"),
            ("smtps://me:hunter2@h?tls=required", "smtps is TLS from the first byte"),
            ("smtp://me:hunter2@a b", "the host must be a name"),
            ("smtp://[::1", "lacks the `]`"),
            ("file:", "a folder follows"),
        ] {
            let told = parsed(url).unwrap_err();
            assert!(told.starts_with(why), "{url}: {told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn other_ways_out_are_programs_and_folders() {
        let sendmail = |path: &str| Ok(Some(Server::Sendmail(path.into())));
        assert_eq!(parsed("sendmail:"), sendmail("/usr/sbin/sendmail"));
        assert_eq!(parsed("sendmail:/opt/sendmail"), sendmail("/opt/sendmail"));
        for (url, folder) in [("file:mail", "mail"), ("file:/m", "/m"), ("file:///m", "/m")] {
            assert_eq!(parsed(url), Ok(Some(Server::Folder(folder.into()))));
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let login = Login {
            user: "me".to_owned(),
            password: Password::Text(Secret::new("hunter2".to_owned())),
        };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
