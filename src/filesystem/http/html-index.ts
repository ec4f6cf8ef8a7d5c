/**
 * The names on a page that lists a directory, as nginx, Apache, Python and others make one: links
 * to what lies directly below the page. A page of another kind gives the links that it has there.
 */
import { isName } from '../file-path.ts'
import { Dirent } from '../stats.ts'

const LINK = /<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi

/** `url` is that of the page, and ends in a slash. */
export function namesInPage(html: string, url: string, path: string): Dirent[] {
  const found = new Map<string, Dirent>()
  for (const [, quoted, single = ''] of html.matchAll(LINK)) {
    const target = URL.parse((quoted ?? single).replaceAll('&amp;', '&'), url)
    if (target === null || target.search !== '' || target.hash !== '') continue
    const name = nameBelow(target.href, url)
    if (name === undefined) continue
    const kind = target.pathname.endsWith('/') ? 'directory' : 'file'
    found.set(name, new Dirent(name, path, kind))
  }
  return [...found.values()]
}

function nameBelow(href: string, url: string): string | undefined {
  if (!href.startsWith(url)) return undefined
  try {
    const name = decodeURIComponent(href.slice(url.length).replace(/\/$/, ''))
    return isName(name) ? name : undefined
  } catch {
    return undefined
  }
}
