package archive

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// HeadLength is how much of a file Unwanted wants to see: what browsers look at
// to guess a type (WHATWG MIME Sniffing, 7: the resource header), twice over.
const HeadLength = 3000

// programs are extensions that a double click runs, or that a browser opens
// with scripts in them. The list is by harm, not complete by nature: that is why
// contents are looked at, too, and why Lethe itself never shows such a file.
var programs = strings.Fields(`
	ade adp app apk appimage appx appxbundle bat cgi chm cmd com command cpl crx deb desktop diagcab dll dmg elf
	exe gadget hta htm html inf ins iso img jar jnlp js jse ksh lib lnk mde mht mhtml mjs msc msh msi msix msp mst
	pif pkg ps1 ps1xml ps2 psc1 psd1 psm1 py pyc pyw rb reg rpm run scf scr sct sh shb shtml so svg svgz swf sys
	url vb vbe vbs vhd vhdx vxd wasm ws wsc wsf wsh xhtml xht xll xsl xslt`)

// Unwanted says, as the end of a sentence, why a file is not taken, or returns
// "". A file handed over for a person travels to that person's own machine: what
// would run there, or run in their browser, is not data about anybody. head is
// the file's beginning.
func Unwanted(name string, head []byte) string {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(FileName(name)), "."))
	switch {
	case slices.Contains(programs, ext):
		return "files that end in ." + ext + " can run on the person's computer or in their browser"
	case isProgram(head):
		return "it is a program, whatever its name says"
	case isMarkup(head):
		return "it is a page or a drawing that a browser would run, whatever its name says"
	}
	return ""
}

// isProgram knows the beginnings of what operating systems run.
func isProgram(head []byte) bool {
	for _, magic := range []string{
		"MZ", "\x7fELF", "#!", // Windows, Linux, scripts
		"\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe", // macOS, Java
		"L\x00\x00\x00\x01\x14\x02\x00", "\x00asm", "dex\n", // a shortcut, WebAssembly, Android
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

// isMarkup tells whether a browser takes a text for a page (WHATWG MIME
// Sniffing, 7.1), behind any of the marks of UTF-8 and UTF-16 and behind
// comments. XML as such is data (an invoice, a bank statement) and passes;
// XHTML, SVG and what brings a style sheet that transforms it do not.
func isMarkup(head []byte) bool {
	if len(head) > HeadLength {
		head = head[:HeadLength]
	}
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		head = bytes.TrimPrefix(head, []byte(mark))
	}
	// UTF-16 text without its zero bytes reads as ASCII where it is ASCII.
	text := strings.TrimLeft(strings.ToLower(string(bytes.ReplaceAll(head, []byte{0}, nil))), "\t\n\f\r ")
	for strings.HasPrefix(text, "<!--") {
		_, rest, ended := strings.Cut(text, "-->")
		if !ended {
			return true
		}
		text = strings.TrimLeft(rest, "\t\n\f\r ")
	}
	if !strings.HasPrefix(text, "<") {
		return false
	}
	for _, tag := range strings.Fields("!doctype html head script iframe h1 div font table a style title b body br p img object embed meta link form svg") {
		rest, found := strings.CutPrefix(text, "<"+tag)
		if tag == "!doctype" && found && !strings.HasPrefix(strings.TrimSpace(rest), "html") && !strings.HasPrefix(strings.TrimSpace(rest), "svg") {
			continue
		}
		if found && (rest == "" || strings.ContainsAny(rest[:1], " >/\t\n\f\r")) {
			return true
		}
	}
	return slices.ContainsFunc([]string{
		"<script", "<html", "<svg", ":script", "http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xsl", "<?xml-stylesheet",
	}, func(mark string) bool { return strings.Contains(text, mark) })
}
