/* node wait-for.mjs URL: ends well as soon as the URL answers with success, and badly after 90 s. */
const until = Date.now() + 90_000
for (;;) {
  try {
    const { ok, status } = await fetch(process.argv[2])
    if (ok) break
    throw new Error(`it answers ${status}`)
  } catch (error) {
    if (Date.now() > until) {
      console.error(String(error))
      process.exit(1)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
process.exit(0)
