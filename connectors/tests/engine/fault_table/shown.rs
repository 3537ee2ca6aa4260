//! Faults that no server can inject in a moment: those that a test beside the code shows, and the few that nothing shows.

use headwater_connectors::auth::AuthError;
use headwater_connectors::decoding::DecodeError;
use headwater_connectors::jobs::JobError;
use headwater_connectors::pagination::PaginationError;
use headwater_connectors::{BODY_BYTES_MAX, Fault, ManifestError, PAGES_MAX};

type Line = (&'static str, Fault, &'static str);

fn text() -> String {
    String::new()
}

/// What is wrong, the fault, and the test that shows it.
#[expect(clippy::too_many_lines, reason = "a line of the table each")]
pub(super) fn shown_by() -> Vec<Line> {
    let manifest = |error: ManifestError| Fault::Manifest(error);
    vec![
        (
            "a name that leads elsewhere the second time it is asked for (rebinding)",
            Fault::PrivateAddress { host: text(), address: text() },
            "transport::address::a_name_that_points_inside_is_refused_the_second_time_too",
        ),
        (
            "a certificate that nobody vouches for, or none where one is asked for",
            Fault::Tls { origin: text(), reason: text() },
            "engine::auth::tls::a_certificate_opens_what_stays_shut_without_it",
        ),
        (
            "a body of more than 16 GiB",
            Fault::BodyTooLarge { limit: BODY_BYTES_MAX },
            "transport::body::a_body_above_every_bound_is_refused_by_name",
        ),
        (
            "a page that must be held whole, and is larger than that",
            DecodeError::HeldTooLarge { what: "", limit: 0 }.into(),
            "engine::shapes::a_page_that_is_too_large_to_wait_is_an_error_by_name",
        ),
        (
            "records of portions without the key that lays them together",
            PaginationError::KeylessPortion { field: text() }.into(),
            "engine::portions::records_without_their_key_cannot_be_laid_together",
        ),
        (
            "portions of a page that have different records each time",
            PaginationError::PortionsDiffer { times: 0 }.into(),
            "engine::portions::a_page_whose_portions_have_other_records_is_read_again_and_then_fails_by_name",
        ),
        (
            "ids of a chain that fall",
            PaginationError::NotAscending { field: text() }.into(),
            "source::chain::a_rising_id_is_the_token_and_an_empty_link_keeps_it",
        ),
        (
            "more records at one instant than a query gives",
            PaginationError::OneInstant { records: 0 }.into(),
            "pagination::advancing_from::waits_for_the_cap_and_refuses_an_instant_that_fills_it",
        ),
        (
            "a job whose range is too long, and cannot be cut",
            JobError::TooLarge { state: text() }.into(),
            "engine::jobs::an_export_of_too_long_a_range_is_ordered_in_halves",
        ),
        (
            "a login that nobody agrees to",
            AuthError::LoginFailed { reason: text() }.into(),
            "engine::auth::logins::a_device_that_is_refused_ends_the_login",
        ),
        (
            "a key for the body of a request whose body has no room for it",
            AuthError::Unsignable { reason: text() }.into(),
            "auth::tests::a_secret_that_fits_no_header_or_body_is_refused_by_name",
        ),
        (
            "stored bodies that do not fit together",
            Fault::Replay { reason: text() },
            "engine::faults::stored_bodies_replay_as_they_were_read",
        ),
        (
            "a manifest with a key that there is not",
            manifest(ManifestError::Unreadable { file: text(), line: 0, column: 0, reason: text(), snippet: text() }),
            "manifest::tests::a_typo_names_line_column_and_the_allowed_names",
        ),
        (
            "a manifest that lacks something or contradicts itself",
            manifest(ManifestError::Incomplete { file: text(), path: text(), line: None, reason: text(), fix: text() }),
            "manifest::tests::what_is_missing_or_contradictory_names_its_key_and_what_to_write",
        ),
        (
            "a manifest of another version",
            manifest(ManifestError::Version { file: text(), found: 0, line: None }),
            "manifest::tests::what_is_missing_or_contradictory_names_its_key_and_what_to_write",
        ),
        (
            "a connector that there is not",
            manifest(ManifestError::NotFound { name: text(), nearest: None }),
            "library::names_the_nearest_connector",
        ),
    ]
}

/// What is wrong, the fault, and why nothing injects it.
pub(super) fn unshown() -> Vec<Line> {
    vec![
        (
            "more than 100,000 pages",
            PaginationError::TooManyPages { limit: PAGES_MAX }.into(),
            "it takes as many requests; pages that repeat or circle end long before",
        ),
        (
            "the fields of a page take more requests than one reading makes",
            PaginationError::TooManyPortions { limit: 0 }.into(),
            "it takes as many requests",
        ),
        ("no room for what outgrew memory", Fault::Spool { reason: text() }, "it takes a full disk"),
        (
            "another process renews the token and does not end",
            AuthError::Busy { source_name: text(), seconds: 0 }.into(),
            "it takes minutes",
        ),
        ("the system gives no random numbers", AuthError::NoRandomness.into(), "no system of a test does that"),
        (
            "streams of a project that do not fit their connector",
            Fault::Manifest(ManifestError::ProjectStream { connector: text(), stream: text(), reason: text() }),
            "the project's file is refused before a source is opened",
        ),
        (
            "a connector's file that cannot be read",
            Fault::Manifest(ManifestError::File { file: text(), reason: text() }),
            "the same",
        ),
        ("a bug of ours", Fault::Internal { facts: text() }, "it would be mended"),
    ]
}
