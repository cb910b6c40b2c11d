import { InvalidArgumentError } from '../../base/error.js'

const dayMilliseconds = 86_400_000

function whole(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new InvalidArgumentError(`${what} is ${value}; Python takes a whole number from ${least} to ${most}.`)
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0')
}

function fraction(microseconds: number): string {
  return microseconds === 0 ? '' : `.${digits(microseconds, 6)}`
}

/** A Python timedelta: an exact length of time in µs, up to a billion days. */
export class PyTimeDelta {
  /** @throws InvalidArgumentError unless -999999999 ≤ days ≤ 999999999, 0 ≤ seconds < 86400, 0 ≤ microseconds < 10^6 */
  constructor(
    /** May be negative; the other two are added to it. */
    readonly days: number,
    readonly seconds: number,
    readonly microseconds: number,
  ) {
    whole('the number of days', days, -999_999_999, 999_999_999)
    whole('the number of seconds', seconds, 0, 86_399)
    whole('the number of microseconds', microseconds, 0, 999_999)
  }

  /** The same in milliseconds; with a fraction where there are µs. */
  toMilliseconds(): number {
    return this.days * dayMilliseconds + this.seconds * 1000 + this.microseconds / 1000
  }
}

/** A Python `datetime.timezone`: a fixed offset from UTC, with a name if it was given one. */
export class PyTimezone {
  /** @throws InvalidArgumentError for an offset of a day or more */
  constructor(
    /** What local time is ahead of UTC. */
    readonly offset: PyTimeDelta = new PyTimeDelta(0, 0, 0),
    readonly name?: string,
  ) {
    const { days, seconds, microseconds } = offset
    if (days !== 0 && (days !== -1 || seconds + microseconds === 0)) throw new InvalidArgumentError('the offset of a timezone has to be less than a day.')
  }

  /** Whether it is Python's `timezone.utc`. */
  get isUtc(): boolean {
    return this.name === undefined && this.offset.days === 0 && this.offset.seconds === 0 && this.offset.microseconds === 0
  }
}

/** A Python date: a day without a time. */
export class PyDate {
  /** @throws InvalidArgumentError for a day that doesn't exist; years are 1 to 9999 */
  constructor(
    readonly year: number,
    /** 1 to 12 */
    readonly month: number,
    readonly day: number,
  ) {
    whole('the year', year, 1, 9999)
    whole('the month', month, 1, 12)
    whole('the day', day, 1, new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate())
  }

  /** Midnight UTC of that day. */
  toDate(): Date {
    return new Date(utcMilliseconds(this.year, this.month, this.day))
  }

  /** As `2020-01-31`. */
  toString(): string {
    return `${digits(this.year, 4)}-${digits(this.month, 2)}-${digits(this.day, 2)}`
  }

  toJSON(): string {
    return this.toString()
  }
}

/** A Python time: a time of day without a date. */
export class PyTime {
  /** @throws InvalidArgumentError for a time that doesn't exist */
  constructor(
    readonly hour: number,
    readonly minute = 0,
    readonly second = 0,
    readonly microsecond = 0,
    /** null = without one (naive). */
    readonly timezone: PyTimezone | null = null,
    /** 1 = the second of the two times of that name, when clocks are set back. */
    readonly fold: 0 | 1 = 0,
  ) {
    whole('the hour', hour, 0, 23)
    whole('the minute', minute, 0, 59)
    whole('the second', second, 0, 59)
    whole('the microsecond', microsecond, 0, 999_999)
  }

  /** As `12:30:00.000001`, without the timezone. */
  toString(): string {
    return `${digits(this.hour, 2)}:${digits(this.minute, 2)}:${digits(this.second, 2)}${fraction(this.microsecond)}`
  }
}

/** What a Python datetime says beyond a Date. */
export interface PyDateTimeDetails {
  /** µs beyond the milliseconds, 0 to 999. Default 0. */
  microseconds?: number
  /** null (default) = without one: the Date is then the local time, whatever that is, read as if it were UTC. */
  timezone?: PyTimezone | null
  /** 1 = the second of the two times of that name, when clocks are set back. Default 0. */
  fold?: 0 | 1
}

/**
 * A Python datetime that is more than a Date can say: one with µs, with a timezone other than `timezone.utc`, or
 * without any. It is a Date all the same, rounded down to ms. A datetime in UTC of whole ms is read as a plain Date.
 */
export class PyDateTime extends Date {
  readonly microseconds: number
  readonly timezone: PyTimezone | null
  readonly fold: 0 | 1

  /**
   * @param time ms since the epoch; of one without timezone, its local time read as if it were UTC
   * @throws InvalidArgumentError
   */
  constructor(time: number | Date, details: PyDateTimeDetails = {}) {
    super(time)
    this.microseconds = details.microseconds ?? 0
    this.timezone = details.timezone ?? null
    this.fold = details.fold ?? 0
    whole('the number of microseconds', this.microseconds, 0, 999)
  }
}

/** A datetime as Python keeps it: the clock on the wall, which the timezone explains. */
export interface WallClock {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly microsecond: number
}

/** What the clock on the wall shows. */
export function wallClockOf(date: Date): WallClock & { timezone: PyTimezone | null; fold: 0 | 1 } {
  const { microseconds = 0, timezone = utc, fold = 0 } = date as Partial<PyDateTime>
  const offset = timezone?.offset
  const micros = microseconds + (offset === undefined ? 0 : offset.microseconds % 1000)
  const carried = micros >= 1000 ? 1 : 0
  const wall = new Date(date.getTime() + wholeMilliseconds(offset) + carried)
  const year = wall.getUTCFullYear()
  // An invalid Date has a year of NaN.
  if (!(year >= 1 && year <= 9999)) throw new InvalidArgumentError(Number.isNaN(year) ? 'is an invalid Date' : `is of the year ${year}; a Python datetime is of the years 1 to 9999`)
  return {
    year, month: wall.getUTCMonth() + 1, day: wall.getUTCDate(), hour: wall.getUTCHours(), minute: wall.getUTCMinutes(),
    second: wall.getUTCSeconds(), microsecond: wall.getUTCMilliseconds() * 1000 + micros - carried * 1000, timezone, fold,
  }
}

const utc = new PyTimezone()

/** The Date of a Python datetime: a plain one where that says everything. */
export function dateOf(wall: WallClock, timezone: PyTimezone | null, fold: 0 | 1): Date {
  const { year, month, day, hour, minute, second, microsecond } = wall
  // The classes of its two parts check them.
  new PyDate(year, month, day)
  new PyTime(hour, minute, second, microsecond)
  const offset = timezone?.offset
  const micros = (microsecond % 1000) - (offset === undefined ? 0 : offset.microseconds % 1000)
  const borrowed = micros < 0 ? 1 : 0
  const time = utcMilliseconds(year, month, day) + ((hour * 60 + minute) * 60 + second) * 1000 + Math.floor(microsecond / 1000) - wholeMilliseconds(offset) - borrowed
  const microseconds = micros + borrowed * 1000
  if (timezone?.isUtc && microseconds === 0 && fold === 0) return new Date(time)
  return new PyDateTime(time, { microseconds, timezone, fold })
}

function wholeMilliseconds(delta: PyTimeDelta | undefined): number {
  return delta === undefined ? 0 : delta.days * dayMilliseconds + delta.seconds * 1000 + Math.floor(delta.microseconds / 1000)
}

/* Date.UTC takes the years 0 to 99 for 1900 to 1999. */
function utcMilliseconds(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day)
}
