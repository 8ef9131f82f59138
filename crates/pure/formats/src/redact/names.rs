//! Values beside a name that says what they are: `password: x`, `--token x`, `{name: API_KEY, value: x}`.
//!
//! The text may be YAML, JSON, a log, or any of these as an escaped string inside another, so lines and
//! quotes are taken as they stand: a `\n` of an escaped string ends a line too. Where it is not clear how
//! long a value is, the longer reading wins. Deliberately absent: names that only look random.

use std::ops::Range;

use super::Cut;
use super::words::secret_name;

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

fn at(bytes: &[u8], i: usize) -> Option<u8> {
    bytes.get(i).copied()
}

/// The byte before `i`.
fn behind(bytes: &[u8], i: usize) -> Option<u8> {
    i.checked_sub(1).and_then(|i| at(bytes, i))
}

/// Where a name stands in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// First in a line of the file.
    Line,
    /// First in a line of an escaped string, or in the string itself.
    Inside,
    /// Somewhere in running text.
    Running,
}

/// What stands before a key decides how far its value may reach.
fn place(bytes: &[u8], key: usize, quoted: bool) -> Place {
    let mut i = key;
    let floor = key.saturating_sub(512);
    // The key's own opening quote.
    if quoted && matches!(behind(bytes, i), Some(b'"' | b'\'')) {
        i -= 1;
        while behind(bytes, i) == Some(b'\\') {
            i -= 1;
        }
    }
    loop {
        while i > floor && matches!(behind(bytes, i), Some(b' ' | b'\t')) {
            i -= 1;
        }
        // List marks, `export`, `set`, `ENV` in front do not make it running text.
        let head = bytes.get(floor.min(i)..i).unwrap_or_default();
        if head.ends_with(b"-") && !head.ends_with(b"--") {
            i -= 1;
        } else if head.ends_with(b"export") {
            i -= 6;
        } else {
            break;
        }
    }
    match behind(bytes, i) {
        None | Some(b'\n') => Place::Line,
        // A byte order mark.
        Some(0xbf) if i == 3 => Place::Line,
        Some(b'n') if i >= 2 && at(bytes, i - 2) == Some(b'\\') => Place::Inside,
        Some(b'"' | b'\'') => Place::Inside,
        _ => Place::Running,
    }
}

/// One past an opening quote with its backslashes: how many backslashes, which quote.
fn open_quote(bytes: &[u8], i: usize) -> Option<(usize, u8, usize)> {
    let mut j = i;
    while at(bytes, j) == Some(b'\\') && j < i + 16 {
        j += 1;
    }
    match at(bytes, j) {
        Some(q @ (b'"' | b'\'')) => Some((j + 1, q, j - i)),
        _ => None,
    }
}

fn skip_quote(bytes: &[u8], i: usize) -> usize {
    open_quote(bytes, i).map_or(i, |(next, ..)| next)
}

/// Spaces, line ends and commas, plain or as escapes of a string.
fn skip_between(bytes: &[u8], mut i: usize) -> usize {
    let limit = i + 512;
    while i < limit {
        match at(bytes, i) {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b',') => i += 1,
            Some(b'\\') => {
                let mut j = i;
                while at(bytes, j) == Some(b'\\') {
                    j += 1;
                }
                match at(bytes, j) {
                    Some(b'n' | b't' | b'r') => i = j + 1,
                    _ => break,
                }
            }
            _ => break,
        }
    }
    i
}

/// How far the end of a value is sought before the end of its line.
const NEAR: usize = 4_096;

fn line_end(bytes: &[u8], i: usize) -> usize {
    let rest = bytes.get(i..).unwrap_or_default();
    let end = memchr::memchr(b'\n', rest).map_or(bytes.len(), |n| i + n);
    if end > i && behind(bytes, end) == Some(b'\r') {
        end - 1
    } else {
        end
    }
}

/// The end of a quoted text that opens before `start`: its quote with as many backslashes.
fn close_quote(
    bytes: &[u8],
    start: usize,
    quote: u8,
    slashes: usize,
    limit: usize,
) -> Option<usize> {
    let mut i = start;
    loop {
        let rest = bytes.get(i..limit)?;
        let q = i + memchr::memchr(quote, rest)?;
        let mut run = 0;
        while q > start + run && at(bytes, q - run - 1) == Some(b'\\') {
            run += 1;
        }
        if quote == b'\'' && slashes == 0 {
            // YAML doubles a quote inside single quotes.
            if at(bytes, q + 1) == Some(b'\'') {
                i = q + 2;
                continue;
            }
            return Some(q);
        }
        // `\\"` closes, `\"` does not; one level down both carry the level's backslashes.
        let own = run.saturating_sub(slashes);
        if run == slashes || (slashes == 0 && own % 2 == 0) || run < slashes {
            return Some(q - run.min(slashes));
        }
        i = q + 1;
    }
}

/// How the value follows its name.
#[derive(Clone, Copy)]
struct Beside {
    place: Place,
    /// The name stands in quotes without backslashes, as JSON's do.
    json_key: bool,
    colon: bool,
    /// Prose is possible: `cannot read token: permission denied`.
    prose: bool,
}

/// Takes one value out; says where it ends.
fn value(bytes: &[u8], start: usize, how: Beside, out: &mut Vec<Cut>) -> usize {
    let mut i = start;
    while matches!(at(bytes, i), Some(b' ' | b'\t')) {
        i += 1;
    }
    // YAML's tags and anchors.
    while how.colon && matches!(at(bytes, i), Some(b'!' | b'&')) {
        let mut j = i;
        while at(bytes, j).is_some_and(|b| !b.is_ascii_whitespace()) && j < i + 64 {
            j += 1;
        }
        let mut k = j;
        while matches!(at(bytes, k), Some(b' ' | b'\t')) {
            k += 1;
        }
        if k == j || matches!(at(bytes, k), None | Some(b'\n' | b'\r')) {
            break;
        }
        i = k;
    }
    if let Some((inside, quote, slashes)) = open_quote(bytes, i) {
        // Most quotes end soon, and the line of an API server's answer does not.
        let window = bytes.get(..inside + NEAR).unwrap_or(bytes);
        let soon = line_end(window, inside.min(window.len()));
        if let Some(end) = close_quote(bytes, inside, quote, slashes, soon) {
            push(inside..end, false, bytes, out);
            return end;
        }
        let end_of_line = line_end(bytes, i);
        let block = matches!(how.place, Place::Line) && slashes == 0;
        let near = close_quote(bytes, inside, quote, slashes, end_of_line);
        let end = near
            .or_else(|| {
                let far = (inside + 65_536).min(bytes.len());
                block
                    .then(|| close_quote(bytes, inside, quote, slashes, far))
                    .flatten()
            })
            .unwrap_or(end_of_line);
        push(inside..end, false, bytes, out);
        return end;
    }
    match at(bytes, i) {
        None => i,
        Some(b'|' | b'>') if how.colon && block_header(bytes, i).is_some() => {
            block(bytes, start, block_header(bytes, i).unwrap_or(i), how, out)
        }
        Some(b'\n' | b'\r') => match how.place {
            Place::Line if how.colon => below(bytes, i, out),
            _ => i,
        },
        Some(b'[') => list(bytes, i + 1, how, out),
        Some(b'{' | b'*') if how.colon => i,
        Some(_) => {
            let end = plain_end(bytes, i, how);
            let said = bytes.get(i..end).unwrap_or_default();
            if how.prose && how.place == Place::Running && prose(said, at(bytes, end)) {
                return end;
            }
            push(i..end, how.json_key, bytes, out);
            end
        }
    }
}

/// The end of a value without quotes.
fn plain_end(bytes: &[u8], i: usize, how: Beside) -> usize {
    let until = |limit: usize| {
        let text = bytes.get(i..limit).unwrap_or_default();
        i + match how.place {
            Place::Line if !how.json_key => {
                let comment = memchr::memmem::find(text, b" #").unwrap_or(text.len());
                let said = text.get(..comment).unwrap_or_default();
                said.trim_ascii_end().len()
            }
            Place::Inside if !how.json_key => inside_end(text),
            _ => word_end(text),
        }
    };
    // Most values end soon; a line may be as long as its file, and hold values without number.
    let window = bytes.get(..i + NEAR).unwrap_or(bytes);
    let soon = line_end(window, i.min(window.len()));
    let cut = soon == window.len() && window.len() < bytes.len();
    let end = until(soon);
    if cut && (end == soon || how.place == Place::Line) {
        return until(line_end(bytes, i));
    }
    end
}

/// The end of a plain value in an escaped string: the string's own quote, or an escaped line end.
fn inside_end(text: &[u8]) -> usize {
    let mut i = 0;
    while let Some(b) = text.get(i) {
        match b {
            b'"' => return i,
            b'\'' if i > 0 && matches!(text.get(i + 1), None | Some(b',' | b']' | b' ')) => {
                return i;
            }
            b'\\' if matches!(text.get(i + 1), Some(b'n' | b'r' | b'"' | b'\\')) => return i,
            _ => i += 1,
        }
    }
    i
}

/// The end of a plain word in running text.
fn word_end(text: &[u8]) -> usize {
    let mut i = 0;
    while let Some(b) = text.get(i) {
        match b {
            b' ' | b'\t' | b',' | b'"' | b'\'' | b'&' | b';' | b'}' | b']' | b')' | b'<' | b'`' => {
                return i;
            }
            b'\\'
                if matches!(
                    text.get(i + 1),
                    Some(b'n' | b'r' | b't' | b'"' | b'\\' | b'\'')
                ) =>
            {
                return i;
            }
            _ => i += 1,
        }
    }
    i
}

/// A sentence goes on where a value could stand: `token: failed to read`, `token: x509: unknown`.
fn prose(word: &[u8], next: Option<u8>) -> bool {
    if word.ends_with(b":") || word.starts_with(b"(") {
        return true;
    }
    let letters = word.iter().all(u8::is_ascii_alphabetic);
    // The answer of a server: `GET https://ghcr.io/token: 403 Forbidden`.
    let status = matches!(word, [b'1'..=b'5', a, b] if a.is_ascii_digit() && b.is_ascii_digit());
    ((letters && word.len() <= 16 || status) && next == Some(b' '))
        || matches!(
            word.to_ascii_lowercase().as_slice(),
            b"unauthorized"
                | b"forbidden"
                | b"invalid"
                | b"expired"
                | b"missing"
                | b"eof"
                | b"denied"
                | b"refused"
                | b"timeout"
                | b"required"
                | b"mismatch"
                | b"empty"
        )
}

/// Behind `|` or `>`: where the lines of the block begin.
fn block_header(bytes: &[u8], i: usize) -> Option<usize> {
    let mut j = i + 1;
    while matches!(at(bytes, j), Some(b'+' | b'-' | b'0'..=b'9')) && j < i + 4 {
        j += 1;
    }
    while matches!(at(bytes, j), Some(b' ' | b'\t' | b'\r')) {
        j += 1;
    }
    (at(bytes, j) == Some(b'\n')).then_some(j + 1)
}

/// The lines of a block scalar: all that are deeper than the line of their key.
fn block(bytes: &[u8], key: usize, content: usize, how: Beside, out: &mut Vec<Cut>) -> usize {
    let depth = match how.place {
        Place::Line => indent(line_of(bytes, key)),
        _ => return content,
    };
    let (from, end) = deeper(bytes, content, depth);
    push(from..end, false, bytes, out);
    end
}

fn line_of(bytes: &[u8], i: usize) -> &[u8] {
    bytes.get(crate::line_range(bytes, i)).unwrap_or_default()
}

fn indent(line: &[u8]) -> usize {
    line.iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count()
}

/// The contents of the lines from `i` on that are deeper than `depth`.
fn deeper(bytes: &[u8], mut i: usize, depth: usize) -> (usize, usize) {
    let (mut from, mut end) = (None, i);
    while i < bytes.len() {
        let stop = line_end(bytes, i);
        let line = bytes.get(i..stop).unwrap_or_default();
        if !line.trim_ascii().is_empty() {
            let lead = indent(line);
            if lead <= depth {
                break;
            }
            from.get_or_insert(i + lead);
            end = i + line.trim_ascii_end().len();
        }
        i = memchr::memchr(b'\n', bytes.get(stop..).unwrap_or_default())
            .map_or(bytes.len(), |n| stop + n + 1);
    }
    (from.unwrap_or(end), end)
}

/// A value on the lines below its key, as YAML allows.
fn below(bytes: &[u8], i: usize, out: &mut Vec<Cut>) -> usize {
    let Some(next) = memchr::memchr(b'\n', bytes.get(i..).unwrap_or_default()).map(|n| i + n + 1)
    else {
        return i;
    };
    let line = bytes.get(next..line_end(bytes, next)).unwrap_or_default();
    let lead = indent(line);
    let said = line.get(lead..).unwrap_or_default().trim_ascii_end();
    let own = line_of(bytes, i.saturating_sub(1));
    let structure = said.is_empty()
        || said.starts_with(b"- ")
        || said.starts_with(b"{")
        || said.starts_with(b"#")
        || said.ends_with(b":")
        || (!said.starts_with(b"\"")
            && !said.starts_with(b"'")
            && memchr::memmem::find(said, b": ").is_some())
        || memchr::memmem::find(said, b"\": ").is_some();
    if lead <= indent(own) || structure {
        return i;
    }
    let (from, end) = deeper(bytes, next, indent(own));
    if let Some((inside, quote, slashes)) = open_quote(bytes, from)
        && let Some(close) = close_quote(
            bytes,
            inside,
            quote,
            slashes,
            bytes.len().min(inside + 65_536),
        )
    {
        push(inside..close, false, bytes, out);
        return close;
    }
    push(from..end, false, bytes, out);
    end
}

/// `[a, "b"]`: every element.
fn list(bytes: &[u8], mut i: usize, how: Beside, out: &mut Vec<Cut>) -> usize {
    let how = Beside {
        place: Place::Running,
        prose: false,
        ..how
    };
    for _ in 0..64 {
        i = skip_between(bytes, i);
        match at(bytes, i) {
            None | Some(b']' | b'{' | b'[') => return i,
            Some(_) => {
                let before = i;
                i = value(bytes, i, how, out);
                i = skip_quote(bytes, i);
                if i <= before {
                    return i;
                }
            }
        }
    }
    i
}

fn push(range: Range<usize>, quoted: bool, bytes: &[u8], out: &mut Vec<Cut>) {
    let said = bytes.get(range.clone()).unwrap_or_default();
    if range.start >= range.end || harmless(said) {
        return;
    }
    out.push(Cut {
        range,
        what: "named-value",
        quoted,
    });
}

/// Values that are no secrets: references, flags, paths, what kubectl says in place of a secret.
fn harmless(value: &[u8]) -> bool {
    if value.len() < 3 || super::is_mark(value) {
        return true;
    }
    // Other words in brackets are kubectl's: `<set to the key 'x' in secret 'y'>`, `<none>`.
    if value.starts_with(b"<set to the key") || (value.starts_with(b"<") && value.ends_with(b">")) {
        return true;
    }
    let reference = |open: &[u8], close: u8| {
        value.starts_with(open)
            && value.ends_with(&[close])
            && value
                .get(open.len()..value.len() - 1)
                .is_some_and(|v| !v.is_empty() && v.iter().all(|b| is_name(*b) || *b == b':'))
    };
    if reference(b"$(", b')') || reference(b"${", b'}') {
        return true;
    }
    if value.starts_with(b"/") {
        let parts: Vec<&[u8]> = value.split(|b| *b == b'/').skip(1).collect();
        if parts.len() > 1
            && parts
                .iter()
                .all(|p| !p.is_empty() && p.iter().all(|b| is_name(*b)))
        {
            return true;
        }
    }
    matches!(
        value,
        b"true" | b"false" | b"null" | b"nil" | b"none" | b"None" | b"~~~"
    )
}

/// Looks at every name once, in order.
#[derive(Default)]
pub(super) struct Names {
    done: usize,
}

impl Names {
    /// A piece of a name stands at `hit`.
    pub(super) fn look(&mut self, bytes: &[u8], hit: usize, length: usize, out: &mut Vec<Cut>) {
        if hit < self.done {
            return;
        }
        let mut start = hit;
        while hit - start < 96 && behind(bytes, start).is_some_and(is_name) {
            start -= 1;
        }
        let mut end = hit;
        while end - hit < 96 && at(bytes, end).is_some_and(is_name) {
            end += 1;
        }
        // `\nname`, `\u0026name` in an escaped string: the letters of the escape are not the name's.
        if behind(bytes, start) == Some(b'\\') {
            match at(bytes, start) {
                Some(b'n' | b't' | b'r') if start < hit => start += 1,
                Some(b'u') if start + 5 <= hit => start += 5,
                _ => {}
            }
        }
        // `%26token=`: the same in an address.
        if behind(bytes, start) == Some(b'%') && start + 2 <= hit {
            start += 2;
        }
        self.done = end.max(hit + length);
        if bytes.get(..start).is_some_and(|b| b.ends_with(super::MARK)) {
            return;
        }
        let Ok(name) = std::str::from_utf8(bytes.get(start..end).unwrap_or_default()) else {
            return;
        };
        let flags = name.bytes().take_while(|b| *b == b'-').count();
        let bare = name.trim_start_matches(['-', '.']);
        if !secret_name(bare) {
            return;
        }
        let start = start + (name.len() - bare.len());
        let before = out.len();
        beside(bytes, start, end, flags >= 1, out);
        environment(bytes, start, end, out);
        if let Some(last) = out
            .get(before..)
            .unwrap_or_default()
            .iter()
            .map(|c| c.range.end)
            .max()
        {
            self.done = self.done.max(last);
        }
    }
}

/// The value behind the name.
fn beside(bytes: &[u8], start: usize, end: usize, flag: bool, out: &mut Vec<Cut>) {
    let after_quote = skip_quote(bytes, end);
    let json_key = after_quote == end + 1 && behind(bytes, start) == Some(b'"');
    let mut i = after_quote;
    while matches!(at(bytes, i), Some(b' ' | b'\t')) && i < after_quote + 32 {
        i += 1;
    }
    let place = place(bytes, start, after_quote > end);
    let mut how = Beside {
        place,
        json_key,
        colon: false,
        prose: false,
    };
    match at(bytes, i) {
        Some(b':') => {
            how.colon = at(bytes, i + 1) != Some(b'=');
            how.prose = after_quote == end;
            let from = if how.colon { i + 1 } else { i + 2 };
            // In running text a colon may be one of `a:b:c`; YAML asks for a space, logs do not.
            value(bytes, from, how, out);
        }
        Some(b'=') => {
            let mut from = i + 1;
            while matches!(at(bytes, from), Some(b'=' | b'>')) && from < i + 3 {
                from += 1;
            }
            if flag {
                how.place = Place::Running;
            }
            how.json_key = false;
            value(bytes, from, how, out);
        }
        Some(b'>') if behind(bytes, start) == Some(b'<') => {
            let limit = line_end(bytes, i);
            let text = bytes.get(i + 1..limit).unwrap_or_default();
            let length = memchr::memchr(b'<', text).unwrap_or(text.len());
            push(i + 1..i + 1 + length, false, bytes, out);
        }
        _ if flag => argument(bytes, end, out),
        _ => {}
    }
}

/// `--token VALUE`, `["--token", "VALUE"]`, and the same as items of a YAML list.
fn argument(bytes: &[u8], end: usize, out: &mut Vec<Cut>) {
    let how = Beside {
        place: Place::Running,
        json_key: false,
        colon: false,
        prose: false,
    };
    let quoted = skip_quote(bytes, end);
    let mut i = skip_between(bytes, quoted);
    if i == quoted {
        return;
    }
    let crossed = bytes.get(quoted..i).unwrap_or_default();
    let other_line =
        memchr::memchr(b'\n', crossed).is_some() || memchr::memmem::find(crossed, b"\\n").is_some();
    if matches!(at(bytes, i), Some(b'-')) {
        let item = at(bytes, i + 1) == Some(b' ');
        if !(item && other_line) {
            // The next flag: this one has no value.
            return;
        }
        i += 2;
        if !matches!(at(bytes, i), Some(b'"' | b'\'' | b'\\')) {
            let stop = line_end(bytes, i);
            let text = bytes.get(i..stop).unwrap_or_default();
            push(i..i + inside_end(text), false, bytes, out);
            return;
        }
    } else if other_line && quoted == end {
        return;
    }
    value(bytes, i, how, out);
}

/// `name: X` beside `value: Y`, in either order, on one line or two, plain or escaped.
fn environment(bytes: &[u8], start: usize, end: usize, out: &mut Vec<Cut>) {
    // Backwards: quote, colon, quote, `name` or `key`.
    let back_quote = |mut i: usize| {
        if matches!(behind(bytes, i), Some(b'"' | b'\'')) {
            i -= 1;
            while behind(bytes, i) == Some(b'\\') {
                i -= 1;
            }
        }
        i
    };
    let back_space = |mut i: usize| {
        while matches!(behind(bytes, i), Some(b' ' | b'\t')) {
            i -= 1;
        }
        i
    };
    let colon = back_space(back_quote(start));
    if !matches!(behind(bytes, colon), Some(b':' | b'=')) {
        return;
    }
    let word = back_quote(back_space(colon - 1));
    let head = bytes.get(word.saturating_sub(4)..word).unwrap_or_default();
    let length = if head.eq_ignore_ascii_case(b"name") {
        4
    } else if head.to_ascii_lowercase().ends_with(b"key") {
        3
    } else {
        return;
    };
    let key = word - length;
    if behind(bytes, key).is_some_and(is_name) && !escape_letter(bytes, key) {
        return;
    }
    // Forwards: the value follows.
    let next = skip_between(bytes, skip_quote(bytes, end));
    if let Some(from) = value_key(bytes, next) {
        field(bytes, next, from, out);
        return;
    }
    // Backwards: the last `value` before the name, if nothing else stands between.
    let floor = key.saturating_sub(8192);
    let head = bytes.get(floor..key).unwrap_or_default();
    let Some(found) = rfind_value(head) else {
        return;
    };
    let Some(from) = value_key(bytes, floor + found) else {
        return;
    };
    let mut made = Vec::new();
    let stop = field(bytes, floor + found, from, &mut made);
    let between = bytes.get(stop..key).unwrap_or_default();
    let nothing_else = between.iter().all(|b| {
        matches!(
            b,
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b'"' | b'\'' | b'\\' | b'n'
        )
    });
    if nothing_else {
        out.append(&mut made);
    }
}

fn escape_letter(bytes: &[u8], i: usize) -> bool {
    i >= 2
        && at(bytes, i - 2) == Some(b'\\')
        && matches!(at(bytes, i - 1), Some(b'n' | b't' | b'r'))
}

fn rfind_value(head: &[u8]) -> Option<usize> {
    let mut end = head.len();
    loop {
        let i = memchr::memmem::rfind(head.get(..end)?, b"alue")?.checked_sub(1)?;
        let whole = !behind(head, i).is_some_and(is_name) || escape_letter(head, i);
        if whole && matches!(at(head, i), Some(b'v' | b'V')) && value_key(head, i).is_some() {
            return Some(i);
        }
        end = i;
    }
}

/// `value` and its colon at or behind `i`: where the value may begin.
fn value_key(bytes: &[u8], i: usize) -> Option<usize> {
    let i = skip_quote(bytes, i);
    let word = bytes.get(i..i + 5)?;
    if !word.eq_ignore_ascii_case(b"value") {
        return None;
    }
    let mut i = skip_quote(bytes, i + 5);
    while matches!(at(bytes, i), Some(b' ' | b'\t')) {
        i += 1;
    }
    matches!(at(bytes, i), Some(b':' | b'=')).then_some(i + 1)
}

fn field(bytes: &[u8], key: usize, from: usize, out: &mut Vec<Cut>) -> usize {
    let name = skip_quote(bytes, key);
    let json_key = name == key + 1 && at(bytes, key) == Some(b'"');
    let how = Beside {
        place: place(bytes, name, name > key),
        json_key,
        colon: true,
        prose: false,
    };
    let end = value(bytes, from, how, out);
    skip_quote(bytes, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_names_about_them() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "PGPASSWORD",
            "K3S_TOKEN",
            "api-key",
            "clientSecret",
            "client_secret",
            "AWS_SECRET_ACCESS_KEY",
            "MYSQL_ROOT_PASSWORD",
            "dbPass",
            "SMTP_PASS",
            "pwd",
            "JWT_SIGNING_KEY",
            "TOKEN_FOR_GIT",
            "client-key-data",
            ".dockerconfigjson",
            "_authToken",
            "password2",
            "x-api-key",
            "_auth",
            "SECRET_KEY_BASE",
            "GITHUB_PAT",
        ] {
            assert!(secret_name(name.trim_start_matches(['.', '-'])), "{name}");
        }
        for name in [
            "secretName",
            "existingSecret",
            "imagePullSecret",
            "tokenExpirationSeconds",
            "key",
            "topologyKey",
            "passed",
            "bypass",
            "secretKeyRef",
            "TOKEN_FILE",
            "SECRET_NAME",
            "SSH_PUBLIC_KEY",
            "secrets",
            "tls-secret",
            "compass",
            "password-policy",
            "client-certificate-data",
            "CACHE_KEY",
            "path",
            "kube-api-access-token-x7k2p",
        ] {
            assert!(!secret_name(name), "{name}");
        }
    }
}
