//! Values beside a name that says what they are: `password: x`, `--token x`, `{name: API_KEY, value: x}`.
//!
//! The text may be YAML, JSON, a log, or any of these as an escaped string inside another, so lines and
//! quotes are taken as they stand: a `\n` of an escaped string ends a line too. Where it is not clear how
//! long a value is, the longer reading wins. Deliberately absent: names that only look random.

mod bytes;
mod values;

use self::bytes::{Place, at, behind, is_name, line_end, place, skip_between, skip_quote};
use self::values::{Beside, inside_end, push, value};
use super::Cut;
use super::tokens::Strings;
use super::words::secret_name;

/// Looks at every name once, in order.
pub(super) struct Names<'s> {
    done: usize,
    /// Those of a text that is JSON: no value reaches out of its own.
    strings: Option<&'s Strings<'s>>,
}

impl<'s> Names<'s> {
    pub(super) fn new(strings: Option<&'s Strings<'s>>) -> Self {
        Self { done: 0, strings }
    }

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
        self.made(out.get_mut(before..).unwrap_or_default());
    }

    /// A name that says by itself what it is stands at `start..end`.
    pub(super) fn told(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
        what: &'static str,
        out: &mut Vec<Cut>,
    ) {
        if start < self.done {
            return;
        }
        self.done = end;
        let before = out.len();
        beside(bytes, start, end, false, out);
        let new = out.get_mut(before..).unwrap_or_default();
        new.iter_mut().for_each(|cut| cut.what = what);
        self.made(new);
    }

    /// These were made of the last name: what is in them needs no second look.
    fn made(&mut self, new: &mut [Cut]) {
        for cut in new {
            if let Some(strings) = self.strings {
                strings.keep_inside(cut);
            }
            self.done = self.done.max(cut.range.end);
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
