SELECT v.id AS variant_id, v.sku, p.title AS product
FROM cleansed.shop.product_variants AS v
JOIN cleansed.shop.products AS p ON p.id = v.product_id
WHERE v._deleted_at IS NULL
