use serde::{Deserialize, Serialize};
use tollgate_quota::bank::{
    Answer, Asker, Message, Order, Window,
    books::{AskerRow, Book, WindowRow},
};

use super::book::Memory;
use crate::SqlError;

/// `clock_floor, stated, stated_spent`
pub(super) type Locked = (i64, i64, i64);
/// `number, spend_limit, granted, starts_at, ends_at`
pub(super) type WindowTuple = (i64, i64, i64, i64, i64);
/// `asker, number, answer, first_window, last_window, asked_at`
pub(super) type AskerTuple = (String, i64, String, i64, i64, i64);

/// The windows of an account, in ascending order.
pub(super) fn windows(rows: Vec<WindowTuple>) -> Result<Vec<WindowRow>, SqlError> {
    let row = |(number, limit, granted, starts_at, ends_at)| {
        Ok(WindowRow {
            number: unsigned(number)?,
            limit,
            granted,
            starts_at,
            ends_at,
        })
    };
    rows.into_iter().rev().map(row).collect()
}

/// The book of an account, as far as it matters to a message.
pub(super) fn book(
    memory: &Memory,
    windows: Vec<WindowRow>,
    askers: Vec<AskerTuple>,
    message: &Message<Order>,
    clock: i64,
) -> Result<Book, SqlError> {
    let asker = |(asker, number, answer, first, last, asked_at): AskerTuple| {
        let asker = u128::from_str_radix(&asker, 16).map_err(|_| SqlError::Spoilt("an asker"))?;
        let row = AskerRow {
            number: unsigned(number)?,
            answer: answer_of(&answer)?,
            first: unsigned(first)?,
            last: unsigned(last)?,
            asked_at,
        };
        Ok((Asker(asker), row))
    };
    Ok(Book {
        clock_floor: memory.floor(),
        windows: memory.trusted(windows, message, clock)?,
        askers: askers
            .into_iter()
            .map(asker)
            .collect::<Result<_, SqlError>>()?,
    })
}

/// The windows that are not what they were.
pub(super) fn changed(before: &[WindowRow], after: &Book) -> impl Iterator<Item = WindowRow> {
    let windows = after.windows.iter().copied();
    windows.filter(|window| !before.contains(window))
}

/// The first window that still can be booked on, if another one was opened.
pub(super) fn first_after_a_turn(
    before: &[WindowRow],
    after: &Book,
) -> Result<Option<i64>, SqlError> {
    let number = |window: Option<&WindowRow>| window.map(|window| window.number);
    match number(before.last()) == number(after.windows.last()) {
        true => Ok(None),
        false => number(after.windows.first()).map(signed).transpose(),
    }
}

pub(super) fn asker_text(asker: Asker) -> String {
    format!("{:032x}", asker.0)
}

pub(super) fn answer_text(answer: &Answer) -> Result<String, SqlError> {
    let mut text = Vec::new();
    AnswerText::serialize(answer, &mut serde_json::Serializer::new(&mut text))
        .ok()
        .and_then(|()| String::from_utf8(text).ok())
        .ok_or(SqlError::Spoilt("an answer"))
}

fn answer_of(text: &str) -> Result<Answer, SqlError> {
    AnswerText::deserialize(&mut serde_json::Deserializer::from_str(text))
        .map_err(|_| SqlError::Spoilt("an answer"))
}

pub(super) fn signed(number: u64) -> Result<i64, SqlError> {
    i64::try_from(number).map_err(|_| SqlError::Spoilt("a number"))
}

fn unsigned(number: i64) -> Result<u64, SqlError> {
    u64::try_from(number).map_err(|_| SqlError::Spoilt("a number"))
}

/// An [`Answer`] as it is written.
#[derive(Deserialize, Serialize)]
#[serde(remote = "Answer", rename_all = "snake_case")]
enum AnswerText {
    Granted {
        #[serde(with = "WindowText")]
        window: Window,
        amount: i64,
        left: i64,
        scarce: bool,
    },
    Spent {
        #[serde(with = "WindowText")]
        window: Window,
        left: i64,
    },
    Booked {
        left: i64,
    },
    Old,
}

/// A [`Window`] as it is written.
#[derive(Deserialize, Serialize)]
#[serde(remote = "Window")]
struct WindowText {
    number: u64,
    starts_at: i64,
    ends_at: i64,
    now: i64,
}

/// Also for one that is not there yet.
pub(super) const LOCK: &str =
    "INSERT INTO tollgate_budget (account, clock_floor, stated, stated_spent)
    VALUES ($1, 0, 0, -1)
    ON CONFLICT (account) DO UPDATE SET account = excluded.account
    RETURNING clock_floor, stated, stated_spent";

pub(super) const WINDOWS: &str = "SELECT number, spend_limit, granted, starts_at, ends_at
    FROM tollgate_window WHERE account = $1 ORDER BY number DESC LIMIT 4";

pub(super) const ASKERS: &str = "SELECT asker, number, answer, first_window, last_window, asked_at
    FROM tollgate_asker WHERE account = $1 AND (asker = $2 OR asked_at > $3)
    ORDER BY CASE WHEN asker = $2 THEN 0 ELSE 1 END, asked_at DESC LIMIT 1000";

pub(super) const PUT_WINDOW: &str = "INSERT INTO tollgate_window
    (account, number, spend_limit, granted, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (account, number) DO UPDATE
        SET spend_limit = excluded.spend_limit, granted = excluded.granted,
            ends_at = excluded.ends_at";

pub(super) const PUT_ASKER: &str = "INSERT INTO tollgate_asker
    (account, asker, number, answer, first_window, last_window, asked_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (account, asker) DO UPDATE SET number = excluded.number, answer = excluded.answer,
        last_window = excluded.last_window, asked_at = excluded.asked_at";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let window = Window {
            number: 3,
            starts_at: -1,
            ends_at: i64::MAX,
            now: 7,
        };
        for answer in [
            Answer::Granted {
                window,
                amount: 5,
                left: i64::MIN,
                scarce: true,
            },
            Answer::Spent { window, left: 0 },
            Answer::Booked { left: -4 },
            Answer::Old,
        ] {
            assert_eq!(answer_of(&answer_text(&answer).unwrap()).unwrap(), answer);
        }
    }
}
