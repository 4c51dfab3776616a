package objects

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob" // the s3 scheme
)

// A bucket is an S3 bucket. Keys are sent as the rows hold them, and not by way
// of the library, which would look for some (control characters, "../") under
// spellings of its own: in S3 every other byte is another object.
//
// A server that keeps its objects as files takes a key for a path all the same:
// "../x" leads out of the prefix there, to somebody else's objects, and "../../x"
// is refused, at Amazon, too. Under such a key lies only what the bucket lists.
type bucket struct {
	*blob.Bucket
	client       *s3.Client
	name, prefix string
}

func openBucket(ctx context.Context, address string) (*bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	opened, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return nil, err
	}
	b := &bucket{Bucket: opened, name: u.Host, prefix: u.Query().Get("prefix")}
	if !opened.As(&b.client) {
		return nil, errors.Join(errors.New("no client of S3"), opened.Close())
	}
	return b, nil
}

func (b *bucket) read(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := b.straight(ctx, key); err != nil {
		return nil, err
	}
	at := b.prefix + key
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &at})
	if err != nil {
		return nil, b.refused(ctx, key, err)
	}
	return out.Body, nil
}

// delete deletes one object. S3 deletes what is not there without a word, so it
// is looked for first.
func (b *bucket) delete(ctx context.Context, key string) error {
	if err := b.straight(ctx, key); err != nil {
		return err
	}
	at := b.prefix + key
	if _, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &at}); err != nil {
		return b.refused(ctx, key, err)
	}
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &at})
	return err
}

// straight is fs.ErrNotExist where a key goes up, as a path would, and the
// bucket has no object of that very name.
func (b *bucket) straight(ctx context.Context, key string) error {
	if !goesUp(key) {
		return nil
	}
	return b.listed(ctx, key)
}

// refused is an error of S3, or fs.ErrNotExist where it took a key for none (400)
// and lists no such object. One that it lists is there, and has another trouble:
// it may be encrypted with a key of the application's.
func (b *bucket) refused(ctx context.Context, key string, err error) error {
	if status(err) != badRequest {
		return err
	}
	if lerr := b.listed(ctx, key); lerr != nil {
		return lerr
	}
	return err
}

// badRequest is S3's answer to a key that it takes for none.
const badRequest = 400

// listed is nil where the bucket lists an object under the very bytes of a key,
// and fs.ErrNotExist where it does not, or takes the key for none here, too.
func (b *bucket) listed(ctx context.Context, key string) error {
	at, one := b.prefix+key, int32(1)
	out, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &at, MaxKeys: &one, EncodingType: types.EncodingTypeUrl})
	switch {
	case status(err) == badRequest:
		return fs.ErrNotExist
	case err != nil:
		return err
	}
	for _, o := range out.Contents { // the name itself comes before all that it begins
		if o.Key == nil {
			continue
		}
		name := *o.Key
		if plain, err := url.QueryUnescape(name); err == nil && out.EncodingType == types.EncodingTypeUrl {
			name = plain
		}
		if name == at {
			return nil
		}
	}
	return fs.ErrNotExist
}

// alikeInBucket is what a server that keeps its objects as files takes a carelessly
// joined key for. One that takes every byte for itself has another object there,
// which costs nobody anything but a second look.
func alikeInBucket(key string) []string {
	if name := tidied(key); name != key && name != "" && !goesUp(key) {
		return []string{name}
	}
	return nil
}
