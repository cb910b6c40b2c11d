/* tsx bench/remote/proxy-main.ts TARGET-PORT DELAY-MS BYTES-PER-SECOND: prints its port; ends with its standard input. */
import { startProxy } from './proxy.js'

const [target = 0, delay = 0, bandwidth = 0] = process.argv.slice(2).map(Number)
const proxy = await startProxy(target, { delay, bandwidth })
process.stdin.on('end', () => void proxy.close()).resume()
console.log(JSON.stringify({ port: proxy.port }))
