//! The language of the news: kinds of fact, their values, and the forms in which texts state them.
//!
//! Names are short and come from closed lists, so that each becomes one or two tokens and a small
//! model learns within minutes to copy it. In a form, `{}` is the place of the value. A summary's
//! form must be read back without doubt: its fixed words name the kind, which a test guards.

/// What a fact is about; the order is that of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Who led the talks.
    Who,
    /// Who received them.
    Whom,
    /// In which city.
    Where,
    /// In which building.
    Venue,
    /// On which day.
    When,
    /// For which cause.
    Why,
    /// About what.
    Topic,
    /// How many people came.
    Count,
    /// How many millions it costs.
    Cost,
    /// Which firm has the contract.
    Firm,
    /// How they travelled.
    Transport,
    /// Until when the deal runs.
    Until,
}

impl Kind {
    /// Every kind, in the order of a summary.
    pub const ALL: [Self; 12] = [
        Self::Who,
        Self::Whom,
        Self::Where,
        Self::Venue,
        Self::When,
        Self::Why,
        Self::Topic,
        Self::Count,
        Self::Cost,
        Self::Firm,
        Self::Transport,
        Self::Until,
    ];

    /// The word for it in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Who => "who",
            Self::Whom => "whom",
            Self::Where => "where",
            Self::Venue => "venue",
            Self::When => "when",
            Self::Why => "why",
            Self::Topic => "topic",
            Self::Count => "count",
            Self::Cost => "cost",
            Self::Firm => "firm",
            Self::Transport => "transport",
            Self::Until => "until",
        }
    }

    /// Whether sources can disagree about it.
    pub(super) fn can_be_disputed(self) -> bool {
        !self.disputed_forms().is_empty()
    }

    /// Whether `value` is one that facts of this kind can have.
    pub(super) fn has_value(self, value: &str) -> bool {
        match (self, value.split_once(' ')) {
            (Self::When, Some((month, day))) => {
                MONTHS.contains(&month)
                    && !day.starts_with(['0', '+'])
                    && day.parse().is_ok_and(|day| (1..=DAYS).contains(&day))
            }
            (Self::When, None) => false,
            _ => self.values().contains(&value),
        }
    }

    /// How many words a value has.
    pub(super) fn value_words(self) -> usize {
        if self == Self::When { 2 } else { 1 }
    }

    /// The closed list of values; for dates, that of the months.
    pub(super) fn values(self) -> &'static [&'static str] {
        match self {
            Self::Who => &LEADERS,
            Self::Whom => &HOSTS,
            Self::Where => &CITIES,
            Self::Venue => {
                &["museum", "harbour", "school", "palace", "library", "station", "castle", "arena"]
            }
            Self::When => &MONTHS,
            Self::Why => &[
                "floods", "debt", "drought", "strikes", "fires", "riots", "storms", "fraud",
                "theft", "noise", "smog", "rats",
            ],
            Self::Topic => &[
                "grain", "steel", "rent", "water", "coal", "fish", "sugar", "timber", "wool",
                "salt", "oil", "bread",
            ],
            Self::Count => &[
                "200", "300", "400", "500", "600", "700", "800", "900", "1200", "1500", "2000",
                "3000",
            ],
            Self::Cost => {
                &["35", "45", "55", "65", "75", "85", "95", "110", "120", "130", "140", "150"]
            }
            Self::Firm => &["Acme", "Borex", "Celta", "Dunlo", "Exol", "Fenix", "Gamma", "Helio"],
            Self::Transport => &["train", "ferry", "bus", "plane", "tram", "truck"],
            Self::Until => &["spring", "summer", "autumn", "winter", "easter", "christmas"],
        }
    }

    /// Sentences that state one value.
    pub(super) fn article_forms(self) -> &'static [&'static str] {
        match self {
            Self::Who => {
                &["{} led the talks.", "The talks were led by {}.", "Chief envoy {} spoke first."]
            }
            Self::Whom => &["They met {}.", "The guest was {}.", "{} received them."],
            Self::Where => {
                &["It took place in {}.", "{} was the host city.", "They gathered in {}."]
            }
            Self::Venue => &["Doors opened at the {}.", "The {} was full."],
            Self::When => &["{}.", "On {}.", "News of {}."],
            Self::Why => &["The cause was {}.", "Fear of {} had grown.", "It came after {}."],
            Self::Topic => {
                &["They spoke about {}.", "The price of {} was raised.", "A plan for {} was read."]
            }
            Self::Count => {
                &["A crowd of {} stood outside.", "Some {} people came.", "{} seats were taken."]
            }
            Self::Cost => {
                &["The bill is {} million.", "It costs {} million.", "{} million were set aside."]
            }
            Self::Firm => &["The work goes to {}.", "{} won the contract."],
            Self::Transport => &["They came by {}.", "A {} brought them."],
            Self::Until => &["The deal runs until {}.", "It ends in {}."],
        }
    }

    /// Sentences in which sources disagree, with two places; none where a kind is never disputed.
    pub(super) fn disputed_forms(self) -> &'static [&'static str] {
        match self {
            Self::Whom => {
                &["Some say they met {}, others {}.", "The guest was {} or {}, reports differ."]
            }
            Self::Where => {
                &["Some say in {}, others in {}.", "{} or {} was the host city, reports differ."]
            }
            Self::Venue => &["Some say at the {}, others the {}."],
            Self::Why => &["Some blame {}, others {}.", "The cause was {} or {}, reports differ."],
            Self::Topic => {
                &["Some say about {}, others {}.", "{} or {} was raised, reports differ."]
            }
            Self::Count => {
                &["Some count {} people, others {}.", "A crowd of {} or {} came, reports differ."]
            }
            Self::Cost => {
                &["Some say {} million, others {}.", "It costs {} or {} million, reports differ."]
            }
            _ => &[],
        }
    }

    /// How a summary states it; the first form is the shortest.
    pub(super) fn summary_forms(self) -> &'static [&'static str] {
        match self {
            Self::Who => &["{}", "envoy {}"],
            Self::Whom => &["met {}", "was received by {}"],
            Self::Where => &["in {}", "in the city of {}"],
            Self::Venue => &["at the {}"],
            Self::When => &["on {}"],
            Self::Why => &["over {}", "because of {}"],
            Self::Topic => &["about {}", "to discuss {}"],
            Self::Count => &["before {} people", "before a crowd of {}"],
            Self::Cost => &["for {} million", "at a cost of {} million"],
            Self::Firm => &["with {}"],
            Self::Transport => &["by {}"],
            Self::Until => &["until {}"],
        }
    }
}

/// The highest day of a month that the news know.
pub(super) const DAYS: u8 = 28;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Leaders and hosts have names of their own: which is which need not be read from the grammar.
const LEADERS: [&str; 14] = [
    "Bell", "Roy", "Kane", "Ortiz", "Lund", "Mori", "Diaz", "Voss", "Sato", "Rossi", "Adler",
    "Novak", "Okoye", "Patel",
];

const HOSTS: [&str; 14] = [
    "Hale", "Kim", "Silva", "Costa", "Berg", "Wolf", "Haddad", "Moreau", "Iqbal", "Weber",
    "Larsen", "Mensah", "Reyes", "Tanaka",
];

const CITIES: [&str; 14] = [
    "Lima", "Oslo", "Cairo", "Quito", "Delhi", "Turin", "Accra", "Hanoi", "Porto", "Riga", "Dakar",
    "Kyoto", "Basel", "Tunis",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_form_has_the_right_number_of_places() {
        for kind in Kind::ALL {
            let single = kind.article_forms().iter().chain(kind.summary_forms());
            assert!(single.clone().all(|form| form.matches("{}").count() == 1), "{kind:?}");
            assert!(
                kind.disputed_forms().iter().all(|form| form.matches("{}").count() == 2),
                "{kind:?}"
            );
            assert!(single.count() >= 3, "{kind:?} has several forms");
        }
    }

    #[test]
    fn values_of_different_kinds_do_not_collide() {
        let mut seen = HashSet::new();
        for kind in Kind::ALL {
            assert!(kind.values().iter().all(|value| seen.insert(*value)), "{kind:?}");
        }
    }

    #[test]
    fn dates_are_checked_to_the_letter() {
        assert!(Kind::When.has_value("May 12"));
        for bad in ["May 29", "May 0", "May 07", "May +7", "May", "12", "Mai 3", "May 3 4"] {
            assert!(!Kind::When.has_value(bad), "{bad}");
        }
    }
}
