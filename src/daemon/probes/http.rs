//! As much of HTTP as a health check needs: a request, and the status of what comes back.
//!
//! Pure. The response may come in any pieces. Nothing of it is kept but the beginning of the
//! line that is being read; its end, or that it will never come, is told as soon as it is known.
#![forbid(unsafe_code)]

/// The longest line of a response that is read, in bytes.
const LINE_LIMIT: usize = 8192;

/// How much may come before the final status: headers of interim responses.
const HEAD_LIMIT: usize = 64 * 1024;

/// What is asked.
pub(super) fn request(host: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: taskmaster/{}\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What is known of the response so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Not enough.
    Unknown,
    /// Its status code, 200 to 599.
    Code(u16),
    /// It is no HTTP.
    Other,
}

/// The response as it comes.
#[derive(Debug, Default)]
pub(super) struct Response {
    /// The line that is being read.
    line: Vec<u8>,
    /// Within the headers of an interim response (100 to 199), after which the real one comes.
    is_interim: bool,
    /// Bytes so far.
    total: usize,
}

impl Response {
    /// Takes the next piece.
    pub(super) fn take(&mut self, piece: &[u8]) -> Status {
        self.total = self.total.saturating_add(piece.len());
        for byte in piece {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() > LINE_LIMIT {
                    return Status::Other;
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            match (self.is_interim, line.is_empty()) {
                (true, false) => {}
                (true, true) => self.is_interim = false,
                (false, _) => match status(line) {
                    Some(100..=199) => self.is_interim = true,
                    Some(code) => return Status::Code(code),
                    None => return Status::Other,
                },
            }
        }
        if self.total > HEAD_LIMIT { Status::Other } else { Status::Unknown }
    }
}

/// The code in `HTTP/1.1 200 OK`. The words after it may be missing.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let (minor, rest) = rest.split_first()?;
    let rest = rest.strip_prefix(b" ")?;
    let (code, words) = (rest.get(..3)?, rest.get(3..)?);
    let plain = minor.is_ascii_digit()
        && code.iter().all(u8::is_ascii_digit)
        && (words.is_empty() || words.starts_with(b" "));
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
    (plain && (100..=599).contains(&code)).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Status {
        Response::default().take(text.as_bytes())
    }

    #[test]
    fn the_status_is_known_with_its_line() {
        assert_eq!(whole("HTTP/1.1 200 OK\r\nDate"), Status::Code(200));
        assert_eq!(whole("HTTP/1.0 503 Service Unavailable\n"), Status::Code(503));
        assert_eq!(whole("HTTP/1.1 204\r\n"), Status::Code(204));
        assert_eq!(whole("HTTP/1.1 204 \r\n"), Status::Code(204));
        assert_eq!(whole("HTTP/1.1 200 OK"), Status::Unknown);
    }

    #[test]
    fn what_comes_before_the_final_status_is_passed_over() {
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        assert_eq!(whole(early), Status::Unknown);
        let twice = format!("HTTP/1.1 100 Continue\r\n\r\n{early}HTTP/1.1 404 No\r\n");
        assert_eq!(whole(&twice), Status::Code(404));
    }

    #[test]
    fn what_is_no_http_is_told_to_be_none() {
        for text in [
            "\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/2 200\r\n",
            "HTTP/1.1  200 OK\r\n",
            "HTTP/1.1 20 OK\r\n",
            "HTTP/1.1 2000 OK\r\n",
            "HTTP/1.1 099 No\r\n",
            "HTTP/1.1 600 No\r\n",
            "HTTP/1.x 200 OK\r\n",
            "HTTP/1.1 2 0 OK\r\n",
            "http/1.1 200\n",
        ] {
            assert_eq!(whole(text), Status::Other, "{text:?}");
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        assert_eq!(whole(&"x".repeat(LINE_LIMIT + 1)), Status::Other);
        let mut response = Response::default();
        let mut status = response.take(b"HTTP/1.1 100 Continue\r\n");
        let mut lines = 0;
        while status == Status::Unknown && lines < 10_000 {
            status = response.take(b"a: b and so on and on\r\n");
            lines += 1;
        }
        assert_eq!(status, Status::Other);
    }

    #[test]
    fn a_request_is_a_request() {
        let request = request("127.0.0.1:80", "/health?a=b");
        assert!(request.starts_with("GET /health?a=b HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"));
        assert!(request.ends_with("\r\nConnection: close\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn any_split_tells_the_same(cuts in proptest::collection::vec(1usize..9, 0..40), code in 200u16..600) {
            let text = format!("HTTP/1.1 100 Continue\r\na: b\r\n\r\nHTTP/1.1 {code} Words\r\n");
            let (mut response, mut rest, mut cuts) = (Response::default(), text.as_bytes(), cuts.into_iter());
            let mut status = Status::Unknown;
            while status == Status::Unknown && !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                (status, rest) = (response.take(piece), after);
            }
            prop_assert_eq!(status, Status::Code(code));
        }

        #[test]
        fn no_bytes_do_harm(pieces: Vec<Vec<u8>>) {
            let mut response = Response::default();
            for piece in pieces {
                response.take(&piece);
                prop_assert!(response.line.len() <= LINE_LIMIT + 1);
            }
        }
    }
}
