use crate::{SqlError, database::Written};

/// Whether a memory is the one that it says it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Judgement {
    /// It is.
    Same,
    /// It has not said yet.
    First,
    /// It is another one that has lost nothing, as the operator promises.
    Moved,
    /// It is another one, or behind itself.
    Lost,
}

/// Compares what is written with where it is found, and with the [`Mark`](crate::database::mark::Mark), where there could
/// be one.
pub(super) fn judge(
    written: &Written,
    here: &str,
    mark: Option<Option<&(String, i64)>>,
    promotion_is_synchronous: bool,
) -> Judgement {
    if written.origin.is_empty() {
        return match mark {
            Some(Some(_)) => Judgement::Lost, // the file was made anew beside it
            _ => Judgement::First,
        };
    }
    let behind = match mark {
        None => false,
        Some(None) => true,
        Some(Some((id, decided))) => *id != written.id || *decided >= written.decided,
    };
    if behind {
        return Judgement::Lost;
    }
    if written.origin == here {
        return Judgement::Same;
    }
    match (cluster(&written.origin), cluster(here)) {
        (Some(was), Some(is)) if promotion_is_synchronous && was == is => Judgement::Moved,
        _ => Judgement::Lost,
    }
}

/// An origin of Postgres without its timeline.
fn cluster(origin: &str) -> Option<(&str, &str)> {
    let (cluster, rest) = origin.strip_prefix("postgres:")?.split_once(':')?;
    Some((cluster, rest.split_once(':')?.1))
}

/// A new id.
pub(super) fn draw() -> Result<String, SqlError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| SqlError::Spoilt("no random numbers"))?;
    Ok(hex::encode(bytes))
}

/// Reads which memory this is. If it is another one than it says itself, this is written down, and the function left.
macro_rules! remember {
    ($authority:expr, $tx:ident) => {{
        use $crate::authority::origin::{Judgement, LATEST, draw, judge};

        let here = $tx.origin().await?;
        let mut memory = $tx.written_origin().await?;
        let mark = $authority.database.mark().map(|mark| mark.read()).transpose()?;
        let promised = $authority.promotion_is_synchronous;
        let mark = mark.as_ref().map(Option::as_ref);
        let judgement = judge(&memory, &here, mark, promised);
        if judgement != Judgement::Same {
            if judgement != Judgement::Moved {
                memory.id = draw()?;
            }
            if judgement == Judgement::Lost {
                let now = match &$authority.clock {
                    Some(clock) => clock(),
                    None => $tx.now().await?,
                };
                let latest = sqlx::query_scalar(LATEST);
                let floor: i64 = latest.fetch_one(&mut *$tx).await?;
                memory.lost_at = now.max(floor).max(memory.lost_at + 1);
                // Those who lived before the loss are strangers now: they give nothing back to windows after it.
                sqlx::query("DELETE FROM tollgate_asker")
                    .execute(&mut *$tx)
                    .await?;
            }
            sqlx::query("UPDATE tollgate_origin SET id = $1, origin = $2, lost_at = $3")
                .bind(&memory.id)
                .bind(here)
                .bind(memory.lost_at)
                .execute(&mut *$tx)
                .await?;
        }
        if judgement == Judgement::Lost {
            $tx.commit().await?;
            $authority.mark(&memory);
            tracing::error!("the database was restored: budgets are closed until they are restated");
            return Err($crate::SqlError::Restored);
        }
        memory
    }};
}
pub(super) use remember;

pub(super) const LATEST: &str = "SELECT COALESCE(MAX(clock_floor), 0) FROM tollgate_budget";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_that_is_another_or_behind_itself_is_lost() {
        let written = |id: &str, origin: &str, decided| Written {
            id: id.into(),
            origin: origin.into(),
            decided,
            lost_at: 0,
            rest_stated: 0,
        };
        let mark = |id: &str, decided| (id.to_owned(), decided);
        let (mine, ahead, other) = (mark("a", 6), mark("a", 7), mark("b", 6));
        for (written, mark, expected) in [
            (written("", "", 1), Some(None), Judgement::First),
            (written("", "", 1), Some(Some(&mine)), Judgement::Lost),
            (
                written("a", "sqlite:1", 7),
                Some(Some(&mine)),
                Judgement::Same,
            ),
            (
                written("a", "sqlite:1", 7),
                Some(Some(&ahead)),
                Judgement::Lost,
            ),
            (
                written("a", "sqlite:1", 7),
                Some(Some(&other)),
                Judgement::Lost,
            ),
            (written("a", "sqlite:1", 7), Some(None), Judgement::Lost),
            (
                written("a", "sqlite:2", 7),
                Some(Some(&mine)),
                Judgement::Lost,
            ),
        ] {
            assert_eq!(
                judge(&written, "sqlite:1", mark, true),
                expected,
                "{written:?} {mark:?}"
            );
        }
    }

    #[test]
    fn another_timeline_is_the_same_memory_only_by_promise() {
        let written = |origin: &str| Written {
            id: "a".into(),
            origin: origin.into(),
            decided: 0,
            lost_at: 0,
            rest_stated: 0,
        };
        let here = "postgres:77:00000002:16400";
        for (origin, promised, expected) in [
            ("postgres:77:00000002:16400", false, Judgement::Same),
            ("postgres:77:00000001:16400", false, Judgement::Lost),
            ("postgres:77:00000001:16400", true, Judgement::Moved),
            ("postgres:78:00000001:16400", true, Judgement::Lost),
            ("postgres:77:00000001:16401", true, Judgement::Lost),
        ] {
            assert_eq!(
                judge(&written(origin), here, None, promised),
                expected,
                "{origin}"
            );
        }
    }
}
